# ImageNet with the encoder fine-tuned, as frozen_imagenet.py but for the label smoothing of the
# paper's recipe: CoCa (2B) 91.0 % top-1; of Base the paper has no figure.
_base_ = 'frozen_imagenet.py'

task = dict(model=dict(type='mmcoca.EncoderClassifier', head=dict(loss=dict(label_smooth_val=0.5))))

# ImageNet with the encoder fine-tuned, as coca_base_frozen_imagenet.py but for the label smoothing
# of the paper's recipe: CoCa (2B) 91.0 % top-1; of Base the paper has no figure. The whole model
# learns at one rate, as in the paper; ours, for trying, is a rate that falls from layer to layer
# towards the image: --cfg-options optim_wrapper.paramwise_cfg.layer_decay_rate=0.75
_base_ = 'coca_base_frozen_imagenet.py'

model = dict(type='ImageClassifier', head=dict(loss=dict(label_smooth_val=0.5)))
optim_wrapper = dict(
    constructor='LearningRateDecayOptimWrapperConstructor',
    paramwise_cfg=dict(layer_decay_rate=1.0),
)

# Kinetics-400 with the encoder fine-tuned: CoCa (2B) 88.9 % top-1; of Base the paper has no figure.
_base_ = 'frozen_kinetics400.py'

task = dict(model=dict(type='mmcoca.EncoderClassifier'))

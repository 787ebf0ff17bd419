# As recognition_imagenet.py. The whole model learns at one rate, as in the paper; ours, for trying,
# is a rate that falls from layer to layer towards the image:
# --cfg-options optim_wrapper.paramwise_cfg.layer_decay_rate=0.75
_base_ = 'recognition_imagenet.py'

schedule = dict(
    optim_wrapper=dict(
        constructor='LearningRateDecayOptimWrapperConstructor',
        paramwise_cfg=dict(layer_decay_rate=1.0),
    )
)

# A linear probe of ImageNet: a linear classifier over the mean of the frozen encoder's patch
# tokens. The paper has none. Its settings are ours: frozen_imagenet.py's without RandAugment and
# label smoothing, as linear probes usually go.
_base_ = 'frozen_imagenet.py'

task = dict(
    model=dict(
        backbone=dict(out_type='featmap'),
        neck=dict(_delete_=True, type='GlobalAveragePooling'),
        head=dict(loss=dict(_delete_=True, type='CrossEntropyLoss')),
    ),
    train_dataloader=dict(
        dataset=dict(
            pipeline=[
                'image.load',
                'image.train',
                dict(type='RandomFlip', prob=0.5),
                dict(type='PackInputs'),
            ]
        )
    ),
)

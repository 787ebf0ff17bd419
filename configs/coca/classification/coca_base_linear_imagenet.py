# A linear probe of ImageNet: a linear classifier over the mean of the frozen encoder's patch
# tokens. The paper has none. Its settings are ours: coca_base_frozen_imagenet.py's without
# RandAugment, label smoothing and weight decay, as linear probes usually go.
_base_ = 'coca_base_frozen_imagenet.py'

model = dict(
    backbone=dict(out_type='featmap'),
    neck=dict(_delete_=True, type='GlobalAveragePooling'),
    head=dict(loss=dict(_delete_=True, type='CrossEntropyLoss')),
)
train_pipeline = [step for step in _base_.train_pipeline if step['type'] != 'RandAugment']
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(weight_decay=0.0))

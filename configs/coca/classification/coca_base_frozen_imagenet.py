# ImageNet by the frozen encoder, a new pooler of one query and a linear classifier (paper section
# 3.3): CoCa (2B) 90.6 % top-1; of Base the paper has no figure. Its recipe: batch 512 (8 processes
# of 64), label smoothing 0.2, RandAugment 2,20, average of weights 0.9999, no warm-up. Ours: crops,
# flips, 288 px, and that the scale of RandAugment's 20 ends at 30 (beyond their end, mmpretrain's
# transforms leave black images).
# Data: data/imagenet/{train,val}/<wordnet id>/*.JPEG, or with meta/{train,val}.txt; for folders of
# your own classes set data_root, type='CustomDataset', data_prefix in place of split, num_classes,
# and with less than five classes topk=1 of both evaluators.
_base_ = '../coca_base_finetune.py'

model = dict(
    _delete_=True,
    type='mmcoca.FrozenEncoderClassifier',
    data_preprocessor=dict(_base_.model.data_preprocessor, type='ClsDataPreprocessor'),
    backbone=_base_.model.backbone,
    neck=dict(
        type='mmcoca.RecognitionPooler',
        dims=_base_.dims,
        memory_dims=_base_.dims,
        num_heads=_base_.num_heads,
    ),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=_base_.dims,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.2),
    ),
)
train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='RandAugment',
        policies='timm_increasing',
        num_policies=2,
        magnitude_level=20,
        total_level=30,
    ),
    dict(type='PackInputs'),
]
imagenet = dict(type='ImageNet', data_root='data/imagenet')
train_dataloader = dict(
    dataset=dict(imagenet, _delete_=True, split='train', pipeline=train_pipeline)
)
val_dataloader = dict(
    dataset=dict(imagenet, _delete_=True, split='val', pipeline=_base_.test_pipeline)
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='Accuracy', topk=(1, 5))]
test_evaluator = val_evaluator

optim_wrapper = dict(optimizer=dict(lr=5e-4, weight_decay=0.01))
param_scheduler = _base_.param_scheduler[1:]  # without the warm-up
train_cfg = dict(max_iters=200_000)
auto_scale_lr = dict(base_batch_size=512)
custom_hooks = [dict(type='EMAHook', momentum=1e-4)]

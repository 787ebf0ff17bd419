# Twenty topics by a frozen encoder, a new pooler of one query and a linear classifier, as
# coca_base_frozen_imagenet.py (paper section 3.3): compares the encoders of coca_tiny_icons.py and
# of paradigms/*. The paper has no figure; topics and number of epochs are ours. The drawings to
# test on are not trained on here, but the encoder may have seen them, and the topics as captions.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=work_dirs/.../iter_650.pth
# Data: data/icons.
_base_ = '../coca_tiny_icons.py'
# Those that eight designers or more have, with at least 400 drawings, but for what is a topic of
# interfaces or much the same as another.
classes = [
    'arrows', 'business', 'communication', 'design', 'devices', 'education', 'entertainment',
    'finance', 'food drink', 'hands', 'health', 'household', 'images photography', 'mail', 'maps',
    'security', 'shopping', 'sports', 'travel', 'weather'
]  # yapf: disable

model = dict(
    _delete_=True,
    type='mmcoca.FrozenEncoderClassifier',
    data_preprocessor=dict(_base_.model.data_preprocessor, type='ClsDataPreprocessor'),
    backbone=dict(
        _base_.model.backbone,
        # Not load_from, by which a single encoder's own pooler would come along.
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/coca_tiny_icons/iter_650.pth',
            prefix='backbone.',
        ),
    ),
    neck=dict(
        type='mmcoca.RecognitionPooler',
        dims=_base_.dims,
        memory_dims=_base_.image_dims,
        num_heads=_base_.model.neck.num_heads,
        query_std=_base_.model.neck.query_std,
    ),
    head=dict(type='LinearClsHead', num_classes=len(classes), in_channels=_base_.dims),
)
topics = dict(
    _delete_=True, type='mmcoca.ImageLabelShards', label_key='categories', classes=classes
)
train_dataloader = dict(
    dataset=dict(
        topics,
        shards='data/icons/train/{00000..00073}.tar',
        pipeline=_base_.train_dataloader.dataset.pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        topics,
        shards='data/icons/train/{00074..00083}.tar',
        pipeline=_base_.val_dataloader.dataset.pipeline,
        test_mode=True,
    )
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='Accuracy', topk=(1, 5))]
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=4, val_interval=4)

# The nine groups of the emoji by a frozen encoder, a new pooler of one query and a linear
# classifier, as coca_base_frozen_imagenet.py (paper section 3.3): compares the encoders of
# coca_tiny_emoji_dev.py and of paradigms/*. The paper has no figure; the number of epochs is ours.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=work_dirs/.../epoch_48.pth
# Data: data/emoji.
_base_ = '../coca_tiny_emoji.py'

model = dict(
    _delete_=True,
    type='mmcoca.FrozenEncoderClassifier',
    data_preprocessor=dict(_base_.model.data_preprocessor, type='ClsDataPreprocessor'),
    backbone=dict(
        _base_.model.backbone,
        # Not load_from, by which a single encoder's own pooler would come along.
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/coca_tiny_emoji_dev/epoch_48.pth',
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
    head=dict(type='LinearClsHead', num_classes=9, in_channels=_base_.dims),
)
labels = dict(type='mmcoca.ImageLabelDataset', label_key='group')
train_dataloader = dict(dataset=dict(labels, ann_file='annotations/train_dev.json'))
val_dataloader = dict(dataset=dict(labels, ann_file='annotations/val_dev.json'))
test_dataloader = val_dataloader
val_evaluator = [dict(type='Accuracy', topk=1)]
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=12)

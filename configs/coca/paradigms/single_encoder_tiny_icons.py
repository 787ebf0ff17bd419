# A single encoder: coca_tiny_icons.py's image encoder trained to classify, its one query and a
# linear classifier in place of the text decoder. It learns the 1,000 names that most designers have
# drawn, from the drawings that have them, as the paper's single encoders learn labels of JFT
# (section 3.1); the paper trains none itself. One in four drawings has such a name: an epoch visits
# them four times, 355 steps beside the others' 325. Data: data/icons, tested on the dev designer.
_base_ = '../coca_tiny_icons.py'

model = dict(
    _delete_=True,
    type='ImageClassifier',
    data_preprocessor=dict(_base_.model.data_preprocessor, type='ClsDataPreprocessor'),
    backbone=_base_.model.backbone,
    neck=dict(
        type='mmcoca.RecognitionPooler',
        dims=_base_.dims,
        memory_dims=_base_.image_dims,
        num_heads=_base_.model.neck.num_heads,
        query_std=_base_.model.neck.query_std,
    ),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=_base_.dims),
)
classes = 'data/icons/annotations/names.txt'
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='RepeatDataset',
        times=4,
        dataset=dict(
            type='mmcoca.ImageLabelShards',
            shards=_base_.train_dataloader.dataset.shards,
            label_key='caption',
            classes=classes,
            pipeline=_base_.train_dataloader.dataset.pipeline,
        ),
    )
)
val_dataloader = dict(
    dataset=dict(
        type='mmcoca.ImageLabelDataset',
        ann_file=_base_.val_dataloader.dataset.ann_file,
        label_key='caption',
        classes=classes,
        skip_others=True,
    )
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='Accuracy', topk=(1, 5))]
test_evaluator = val_evaluator

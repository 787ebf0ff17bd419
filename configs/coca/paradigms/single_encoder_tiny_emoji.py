# A single encoder: coca_tiny_emoji_dev.py's image encoder trained to classify, its one query and a
# linear classifier in place of the text decoder, everything else unchanged. It learns the 95
# subgroups of the emoji, as the paper's single encoders learn labels of JFT (section 3.1); the
# paper trains none itself. Data: data/emoji, by tools/dataset_converters/emoji.py.
_base_ = '../coca_tiny_emoji.py'

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
    head=dict(type='LinearClsHead', num_classes=95, in_channels=_base_.dims),
)
labels = dict(type='mmcoca.ImageLabelDataset', label_key='subgroup')
train_dataloader = dict(dataset=dict(labels, ann_file='annotations/train_dev.json'))
val_dataloader = dict(dataset=dict(labels, ann_file='annotations/val_dev.json'))
test_dataloader = val_dataloader
val_evaluator = [dict(type='Accuracy', topk=(1, 5))]
test_evaluator = val_evaluator

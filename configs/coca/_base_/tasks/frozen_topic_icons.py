# Twenty topics of the icons by a frozen encoder, a new pooler of one query and a linear classifier
# (paper section 3.3). The paper has no figure; topics and number of epochs are ours. The drawings
# to test on are not trained on here, but the encoder may have seen them, and the topics as
# captions. Data: data/icons.
# Topics that eight designers or more have, with at least 400 drawings, but for what is a topic of
# interfaces or much the same as another.
classes = [
    'arrows', 'business', 'communication', 'design', 'devices', 'education', 'entertainment',
    'finance', 'food drink', 'hands', 'health', 'household', 'images photography', 'mail', 'maps',
    'security', 'shopping', 'sports', 'travel', 'weather'
]  # yapf: disable

topics = dict(type='mmcoca.ImageLabelShards', label_key='categories', classes=classes)
val_topics = dict(
    dataset=dict(topics, shards='data/icons/train/{00074..00083}.tar', test_mode=True)
)
task = dict(
    model=dict(
        _keep_=['data_preprocessor', 'backbone', 'neck'],
        type='mmcoca.FrozenEncoderClassifier',
        data_preprocessor=dict(type='ClsDataPreprocessor'),
        # As the model's own poolers, so that models of one size compare.
        neck=dict(
            _keep_=['dims', 'memory_dims', 'num_heads', 'query_std'],
            type='mmcoca.RecognitionPooler',
        ),
        head=dict(type='LinearClsHead', num_classes=len(classes)),
    ),
    train_dataloader=dict(dataset=dict(topics, shards='data/icons/train/{00000..00073}.tar')),
    val_dataloader=val_topics,
    test_dataloader=val_topics,
    val_evaluator=[dict(type='Accuracy', topk=(1, 5))],
    test_evaluator=[dict(type='Accuracy', topk=(1, 5))],
    train_cfg=dict(max_epochs=4, val_interval=4),
)

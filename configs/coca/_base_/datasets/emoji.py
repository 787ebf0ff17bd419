# The default data: tools/dataset_converters/emoji.py --out data/emoji. Trains on three artists'
# drawings and tests on a fourth's of the same concepts.
data_root = 'data/emoji'

# What differs between artists: pose, proportions, the pen, the palette.
train_pipeline = [
    'image.load',
    dict(type='mmcoca.CropToContent'),
    dict(
        type='RandomApply',
        prob=0.6,
        transforms=[
            dict(type='mmcoca.RandomElastic', displacement=0.04),
            dict(
                type='mmcoca.RandomAffine',
                rotation=12,
                scale=(0.8, 1.1),
                translation=0.06,
                shear=8
            ),
            dict(type='mmcoca.RandomStrokeWidth', probability=0.5),
        ]
    ),
    'image.test',
    dict(type='mmcoca.RandomColorMatrix', contrast=0.3, saturation=0.4, hue=0.05, grayscale=0.1),
    dict(type='PackInputs', algorithm_keys=['gt_caption'], meta_keys=['image_id', 'img_path']),
]
test_pipeline = [
    'image.load',
    dict(type='mmcoca.CropToContent'),
    'image.test',
    dict(
        type='PackInputs',
        algorithm_keys=['gt_caption', 'text'],  # text: of mmpretrain's retrieval inferencers
        meta_keys=['image_id', 'img_path'],
    ),
]
train_dataloader = dict(
    batch_size=256,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='mmcoca.TrainingSampler'),
    collate_fn=dict(type='default_collate'),
    drop_last=True,
    dataset=dict(
        type='mmcoca.ImageTextDataset',
        data_root=data_root,
        ann_file='annotations/train.json',
        data_prefix=dict(img_path='images'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=256,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='mmcoca.ImageTextDataset',
        data_root=data_root,
        ann_file='annotations/test_artist.json',
        data_prefix=dict(img_path='images'),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
# Where several artists draw one concept, its caption is one text with several right images.
val_evaluator = [
    dict(type='mmcoca.RetrievalMetric', merge_identical_texts=True),
    dict(type='mmcoca.CaptionMetric'),
]
test_dataloader = val_dataloader
test_evaluator = val_evaluator

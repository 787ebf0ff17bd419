# Your own pairs: data/pairs/train.jsonl and val.jsonl with lines {"image": PATH, "caption": TEXT},
# PATH relative to data/pairs/images. The paper's JFT-3B and ALIGN are not public.
batch_size = 64  # a process; the paper's 65,536 is over all of them

train_pipeline = [
    'image.load',
    'image.train',
    dict(type='PackInputs', algorithm_keys=['gt_caption'], meta_keys=['image_id', 'img_path']),
]
test_pipeline = [
    'image.load',
    'image.test',
    dict(
        type='PackInputs',
        algorithm_keys=['gt_caption', 'text'],  # text: of mmpretrain's retrieval inferencers
        meta_keys=['image_id', 'img_path'],
    ),
]
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='mmcoca.TrainingSampler'),
    collate_fn=dict(type='default_collate'),
    drop_last=True,
    dataset=dict(
        type='mmcoca.ImageTextDataset',
        data_root='data/pairs',
        ann_file='train.jsonl',
        data_prefix=dict(img_path='images'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=batch_size,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='mmcoca.ImageTextDataset',
        data_root='data/pairs',
        ann_file='val.jsonl',
        data_prefix=dict(img_path='images'),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
val_evaluator = [
    dict(type='mmcoca.RetrievalMetric'),
    dict(type='mmcoca.CaptionMetric', meteor='auto')
]
test_dataloader = val_dataloader
test_evaluator = val_evaluator

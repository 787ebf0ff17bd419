# Icons of open-source designers: tools/dataset_converters/icons.py --out data/icons. Trains on
# shards of some 170 designers, validates on one to choose with (Lucide) and tests on one that
# nothing was chosen with (Phosphor).
_base_ = 'emoji.py'
data_root = 'data/icons'

# What differs between designers: margins, proportions, the line's width, the palette.
train_pipeline = [
    'image.load',
    dict(type='mmcoca.CropToContent'),
    dict(type='mmcoca.RandomAffine', rotation=8, scale=(0.8, 1.05), translation=0.05, shear=5),
    'image.test',
    dict(type='mmcoca.RandomColorMatrix', contrast=0.3, saturation=0.4, hue=0.05, grayscale=0.1),
    dict(type='PackInputs', algorithm_keys=['gt_caption'], meta_keys=['image_id', 'img_path']),
]
train_dataloader = dict(
    batch_size=512,
    dataset=dict(
        _delete_=True,
        type='mmcoca.ImageTextShards',
        shards=f'{data_root}/train',
        # A visit learns the icon's name, or another of its names, or its topic.
        caption_key=dict(caption=6, aliases=2, categories=1),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(dataset=dict(data_root=data_root, ann_file='annotations/dev_lucide.json'))
test_dataloader = dict(dataset=dict(data_root=data_root, ann_file='annotations/test_ph.json'))
# What a model takes of them.
vocab_size_of_icons = 4096
vocabulary = dict(
    tokenizer=dict(vocab_file=f'{data_root}/tokenizer.json'),
    text=dict(vocab_size=vocab_size_of_icons),
    captioning_head=dict(vocab_size=vocab_size_of_icons),
)

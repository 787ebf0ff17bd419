# icons.py for trainings in which each drawing is seen many times: it then differs as the emoji's
# drawings do (emoji.py), in its lines' width and form too.
_base_ = 'icons.py'

train_pipeline = [
    'image.load',
    dict(type='mmcoca.CropToContent'),
    dict(
        type='RandomApply',
        prob=0.8,
        transforms=[
            dict(type='mmcoca.RandomElastic', displacement=0.04),
            dict(
                type='mmcoca.RandomAffine',
                rotation=12,
                scale=(0.8, 1.05),
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
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

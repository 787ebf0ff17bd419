# The pairs of image_text_pairs.py, prepared as open_clip does: 224 px, bicubic by Pillow. An image
# that is not RGB is converted before it is resized, not after (open_clip resizes a palette by
# nearest neighbours), and is turned upright as its EXIF says. Transparency is dropped, as there:
# background=(255, 255, 255) would lay it on white.
_base_ = 'image_text_pairs.py'
image_size = 224

train_pipeline = [
    dict(type='mmcoca.LoadImage', background=None),
    dict(
        type='RandomResizedCrop',
        scale=image_size,
        crop_ratio_range=(0.9, 1.0),
        interpolation='bicubic',
        backend='pillow',
    ),
    dict(type='PackInputs', algorithm_keys=['gt_caption'], meta_keys=['image_id', 'img_path']),
]
test_pipeline = [
    dict(type='mmcoca.LoadImage', background=None),
    dict(type='NumpyToPIL', to_rgb=True),
    dict(type='mmcoca.ResizeShorterSide', size=image_size),
    dict(type='torchvision/CenterCrop', size=image_size),
    dict(type='PILToNumpy', to_bgr=True),
    dict(
        type='PackInputs',
        algorithm_keys=['gt_caption', 'text'],  # text: of mmpretrain's retrieval inferencers
        meta_keys=['image_id', 'img_path'],
    ),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

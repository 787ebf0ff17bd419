# What open_clip's CoCas (its model_configs/coca_ViT-*.json) have in common, but for their widths.
open_clip_vocab_size = 49408
open_clip_max_length = 76
open_clip_image_size = 224

# As open_clip does: bicubic by Pillow. An image that is not RGB is converted before it is resized,
# not after (open_clip resizes a palette by nearest neighbours), and is turned upright as its EXIF
# says. Transparency is dropped, as there: background=(255, 255, 255) would lay it on white. SVG is
# drawn twice as large, since its shorter side becomes the image's.
open_clip_image = dict(
    load=[dict(type='mmcoca.LoadImage', background=None, svg_size=2 * open_clip_image_size)],
    train=[
        dict(
            type='RandomResizedCrop',
            scale=open_clip_image_size,
            crop_ratio_range=(0.9, 1.0),
            interpolation='bicubic',
            backend='pillow',
        )
    ],
    test=[
        dict(type='NumpyToPIL', to_rgb=True),
        dict(type='mmcoca.ResizeShorterSide', size=open_clip_image_size),
        dict(type='torchvision/CenterCrop', size=open_clip_image_size),
        dict(type='PILToNumpy', to_bgr=True),
    ],
)
architecture = dict(
    vocab_size=open_clip_vocab_size,
    max_length=open_clip_max_length,
    image_size=open_clip_image_size,
    image=open_clip_image,
    model=dict(
        tokenizer=dict(max_length=open_clip_max_length),
        backbone=dict(
            img_size=open_clip_image_size,
            with_cls_token=True,
            pre_norm=True,
            final_norm=False,
            norm_cfg=dict(type='LN', eps=1e-5),
        ),
        neck=dict(
            _delete_=True,
            type='mmcoca.SharedPooler',
            num_queries=256,  # one contrastive, 255 for captions
            num_heads=8,
        ),
        text=dict(
            vocab_size=open_clip_vocab_size,
            max_length=open_clip_max_length,
            # The published weights were trained with this mask; 'corrected' is for new trainings.
            unimodal=dict(type='mmcoca.FixedLengthUnimodalDecoder', cls_mask='legacy', pad_id=0),
            multimodal=dict(type='mmcoca.TwoMLPMultimodalDecoder'),
        ),
        captioning_head=dict(vocab_size=open_clip_vocab_size, ignore_index=0),
        generation=dict(max_length=open_clip_max_length),
    ),
)

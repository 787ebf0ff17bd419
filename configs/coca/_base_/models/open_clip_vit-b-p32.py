# coca_ViT-B-32 of open_clip (its model_configs/coca_ViT-B-32.json): 253.56M parameters.
_base_ = 'coca_base.py'
dims = 512
num_heads = 8
mlp_dims = 4 * dims
vocab_size = 49408
max_length = 76
image_size = 224
pretrained = 'coca_vit-b-p32.pth'  # as tools/model_converters/open_clip_to_mmcoca.py was told

# As open_clip does: bicubic by Pillow. An image that is not RGB is converted before it is resized,
# not after (open_clip resizes a palette by nearest neighbours), and is turned upright as its EXIF
# says. Transparency is dropped, as there: background=(255, 255, 255) would lay it on white.
image = dict(
    load=[dict(type='mmcoca.LoadImage', background=None)],
    train=[
        dict(
            type='RandomResizedCrop',
            scale=image_size,
            crop_ratio_range=(0.9, 1.0),
            interpolation='bicubic',
            backend='pillow',
        )
    ],
    test=[
        dict(type='NumpyToPIL', to_rgb=True),
        dict(type='mmcoca.ResizeShorterSide', size=image_size),
        dict(type='torchvision/CenterCrop', size=image_size),
        dict(type='PILToNumpy', to_bgr=True),
    ],
)
model = dict(
    tokenizer=dict(max_length=max_length),
    backbone=dict(
        img_size=image_size,
        patch_size=32,
        with_cls_token=True,
        pre_norm=True,
        final_norm=False,
        norm_cfg=dict(type='LN', eps=1e-5),
    ),
    neck=dict(
        _delete_=True,
        type='mmcoca.SharedPooler',
        num_queries=256,  # one contrastive, 255 for captions
        dims=dims,
        memory_dims=768,
        num_heads=8,
    ),
    text=dict(
        vocab_size=vocab_size,
        max_length=max_length,
        dims=dims,
        num_heads=num_heads,
        mlp_dims=mlp_dims,
        # The published weights were trained with this mask; 'corrected' is for new trainings.
        unimodal=dict(type='mmcoca.FixedLengthUnimodalDecoder', cls_mask='legacy', pad_id=0),
        multimodal=dict(type='mmcoca.TwoMLPMultimodalDecoder'),
    ),
    contrastive_head=dict(dims=dims, embed_dims=dims),
    captioning_head=dict(vocab_size=vocab_size, dims=dims, ignore_index=0),
    generation=dict(max_length=max_length),
)

# A CoCa of the paper's form for 2 CPU cores and the emoji data; chosen on train_dev / val_dev.
_base_ = 'coca_base.py'
image_dims = 128
dims = 384
num_heads = 24
vocab_size = 2048
max_length = 24
image_size = 32
pretrained = 'work_dirs/coca_tiny_emoji/epoch_48.pth'  # what coca_tiny_emoji.py leaves

image = dict(
    load=[dict(type='mmcoca.LoadImage', svg_size=96)],  # as the default data are drawn
    train=[dict(type='RandomResizedCrop', scale=image_size, crop_ratio_range=(0.5, 1.0))],
    test=[dict(type='Resize', scale=(image_size, image_size), interpolation='area')],
)
model = dict(
    # White, the background of the drawings, becomes 0.
    data_preprocessor=dict(mean=[255.0] * 3, std=[80.0] * 3),
    tokenizer=dict(
        _delete_=True,
        type='mmcoca.TextTokenizer',
        vocab_file='data/emoji/tokenizer.json',
        max_length=max_length,
    ),
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dims=image_dims,
            num_layers=3,
            num_heads=4,
            feedforward_channels=4 * image_dims,
        ),
        img_size=image_size,
        patch_size=8,
        # What a ViT would have to learn from more images than there are.
        stem=dict(type='mmcoca.ConvStem', channels=(64, 64, 96, 128), strides=(2, 1, 2, 1, 2)),
        pos_embed_init='sincos',
        # In a short training the poolers learn more from an encoder that moves slowly at first,
        # with queries that start by reading different patches, and with features freed of the
        # large part that all images share.
        layer_scale_init_value=0.01,
    ),
    neck=dict(num_queries=8, dims=dims, memory_dims=image_dims, num_heads=48, query_std=4.0),
    text=dict(
        vocab_size=vocab_size,
        max_length=max_length,
        dims=dims,
        num_heads=num_heads,
        mlp_dims=2 * dims,
        # Captions of two words: in a given time a wide layer learns more than two narrow ones.
        num_unimodal_layers=1,
        num_multimodal_layers=1,
    ),
    contrastive_head=dict(
        dims=dims,
        embed_dims=dims,
        norm_cfg=dict(type='BN1d', affine=False),
        loss=dict(ignore_duplicates=True),
        # In a short training a sharper one learns less; it stays at this bound.
        init_temperature=0.1,
        min_temperature=0.1,
    ),
    captioning_head=dict(vocab_size=vocab_size, dims=dims),
    generation=dict(max_length=max_length),
    templates='{}',  # captions of drawings say what is drawn, no more
)

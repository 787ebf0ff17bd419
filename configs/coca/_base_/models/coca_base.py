# CoCa-Base: Table 1 and section 4.1 of the paper (288 px, patch 18, 256 caption queries, 64k
# vocabulary); 64 decoding tokens as in google-research/vila. 388M parameters with the poolers,
# which Table 1's 383M seems to leave out.
dims = 768
num_heads = 12
mlp_dims = 3072
vocab_size = 64000
max_length = 64
image_size = 288
pretrained = 'work_dirs/coca_base/iter_500000.pth'  # what coca_base.py leaves

# How images are read and prepared for it. In training the paper crops; the ratios are ours.
image = dict(
    load=[dict(type='mmcoca.LoadImage', reduce_to=image_size, svg_size=image_size)],
    train=[dict(type='RandomResizedCrop', scale=image_size, crop_ratio_range=(0.5, 1.0))],
    test=[dict(type='Resize', scale=(image_size, image_size), interpolation='bicubic')],
)
model = dict(
    type='mmcoca.CoCa',
    # CLIP's mean and deviation, of open_clip's weights too.
    data_preprocessor=dict(
        type='mmcoca.ImageTextDataPreprocessor',
        mean=[122.7709383, 116.7460125, 104.09373615],
        std=[68.5005327, 66.6321579, 70.32316305],
        to_rgb=True,
    ),
    # The paper's SentencePiece vocabulary is not public. CLIP's 49,408 tokens fit in the 64,000
    # rows; a tokenizer of your own: dict(type='mmcoca.TextTokenizer', vocab_file='...').
    tokenizer=dict(type='mmcoca.CLIPTokenizer', max_length=max_length),
    backbone=dict(type='mmcoca.CoCaViT', arch='base', img_size=image_size, patch_size=18),
    neck=dict(
        type='mmcoca.TaskPoolers',
        mode='cascade',
        num_queries=256,
        dims=dims,
        memory_dims=dims,
        num_heads=num_heads,
    ),
    text=dict(
        type='mmcoca.DecoupledTextDecoder',
        vocab_size=vocab_size,
        max_length=max_length,
        dims=dims,
        num_heads=num_heads,
        mlp_dims=mlp_dims,
        num_unimodal_layers=12,
        num_multimodal_layers=12,
    ),
    # Halved directions, as every public implementation; 'sum' is Eq. 2 as printed.
    contrastive_head=dict(
        type='mmcoca.ContrastiveHead',
        loss=dict(type='mmcoca.ContrastiveLoss', loss_weight=1.0, directions='mean'),
        init_temperature=0.07,
    ),
    captioning_head=dict(
        type='mmcoca.CaptioningHead',
        loss=dict(type='mmcoca.CaptioningLoss', loss_weight=2.0),
        vocab_size=vocab_size,
        dims=dims,
    ),
    generation=dict(max_length=max_length),
)

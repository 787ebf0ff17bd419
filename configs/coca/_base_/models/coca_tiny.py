# A CoCa of the paper's form for 2 CPU cores and the emoji data; chosen on train_dev / val_dev.
_base_ = 'coca_base.py'
dims = 128
num_heads = 4
vocab_size = 2048
max_length = 24

model = dict(
    tokenizer=dict(
        _delete_=True,
        type='mmcoca.TextTokenizer',
        vocab_file='data/emoji/tokenizer.json',
        max_length=max_length,
    ),
    backbone=dict(
        arch=dict(
            _delete_=True, embed_dims=128, num_layers=6, num_heads=4, feedforward_channels=512
        ),
        img_size=48,
        patch_size=6,
    ),
    neck=dict(num_queries=16, dims=dims, memory_dims=128, num_heads=num_heads),
    text=dict(
        vocab_size=vocab_size,
        max_length=max_length,
        dims=dims,
        num_heads=num_heads,
        mlp_dims=512,
        num_unimodal_layers=2,
        num_multimodal_layers=2,
    ),
    contrastive_head=dict(loss=dict(ignore_duplicates=True)),
    captioning_head=dict(vocab_size=vocab_size, dims=dims),
    generation=dict(max_length=max_length),
)

# coca_tiny_emoji.py with 64 channels and no stem, for tests whose subject is the training, not what
# is learned.
_base_ = '../configs/coca/coca_tiny_emoji.py'
model = dict(
    backbone=dict(stem=None),
    neck=dict(dims=64, num_heads=4),
    text=dict(dims=64, num_heads=4, mlp_dims=64),
    contrastive_head=dict(dims=64, embed_dims=64),
    captioning_head=dict(dims=64),
)

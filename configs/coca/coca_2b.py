# CoCa, the paper's 2.1B model: Table 1; the recipe is CoCa-Base's.
_base_ = 'coca_base.py'
dims = 1408
num_heads = 16
mlp_dims = 5632

model = dict(
    backbone=dict(arch='2b'),
    neck=dict(dims=dims, memory_dims=dims, num_heads=num_heads),
    text=dict(
        dims=dims,
        num_heads=num_heads,
        mlp_dims=mlp_dims,
        num_unimodal_layers=18,
        num_multimodal_layers=18,
    ),
    captioning_head=dict(dims=dims),
)

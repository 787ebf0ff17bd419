# CoCa, the paper's 2.1B model: Table 1. Its row there, 1.1B of text and 2.1B in all, fits its sizes
# if input and output embeddings are one matrix (1.09B and 2.10B); with two, as in the rows of Base
# and Large, they are 1.18B and 2.19B.
_base_ = 'coca_base.py'
dims = 1408
num_heads = 16
mlp_dims = 5632
pretrained = 'work_dirs/coca_2b/iter_500000.pth'

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
    captioning_head=dict(dims=dims, tie_embeddings=True),
)

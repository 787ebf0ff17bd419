# CoCa-Large: Table 1 of the paper.
_base_ = 'coca_base.py'
dims = 1024
num_heads = 16
mlp_dims = 4096
pretrained = 'work_dirs/coca_large/iter_500000.pth'

model = dict(
    backbone=dict(arch='large'),
    neck=dict(dims=dims, memory_dims=dims, num_heads=num_heads),
    text=dict(dims=dims, num_heads=num_heads, mlp_dims=mlp_dims),
    captioning_head=dict(dims=dims),
)

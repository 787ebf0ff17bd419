# coca_ViT-L-14 of open_clip (its model_configs/coca_ViT-L-14.json): 638.45M parameters.
_base_ = 'open_clip_vit-b-p32.py'
dims = 768
num_heads = 12
mlp_dims = 4 * dims
pretrained = 'coca_vit-l-p14.pth'

model = dict(
    backbone=dict(arch='large', patch_size=14),
    neck=dict(dims=dims, memory_dims=1024),
    text=dict(dims=dims, num_heads=num_heads, mlp_dims=mlp_dims),
    contrastive_head=dict(dims=dims, embed_dims=dims),
    captioning_head=dict(dims=dims),
)

# coca_ViT-B-32 of open_clip (its model_configs/coca_ViT-B-32.json): 253.56M parameters.
_base_ = ['coca_base.py', 'shared_open_clip.py']
from mmcoca.composition import join

join(_base_)
dims = 512
num_heads = 8
mlp_dims = 4 * dims
pretrained = 'coca_vit-b-p32.pth'  # as tools/model_converters/open_clip_to_mmcoca.py was told

model = dict(
    backbone=dict(patch_size=32),
    neck=dict(dims=dims, memory_dims=768),
    text=dict(dims=dims, num_heads=num_heads, mlp_dims=mlp_dims),
    contrastive_head=dict(dims=dims, embed_dims=dims),
    captioning_head=dict(dims=dims),
)

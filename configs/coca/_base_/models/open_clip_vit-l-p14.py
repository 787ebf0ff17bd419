# coca_ViT-L-14 of open_clip (its model_configs/coca_ViT-L-14.json): 638.45M parameters.
_base_ = ['coca_base.py', 'shared_open_clip.py']
from mmcoca.composition import join

join(_base_)
dims = 768
num_heads = 12
mlp_dims = 4 * dims
pretrained = 'coca_vit-l-p14.pth'  # as tools/model_converters/open_clip_to_mmcoca.py was told

model = dict(
    backbone=dict(arch='large', patch_size=14),
    neck=dict(dims=dims, memory_dims=1024),
    text=dict(dims=dims, num_heads=num_heads, mlp_dims=mlp_dims),
    contrastive_head=dict(dims=dims, embed_dims=dims),
    captioning_head=dict(dims=dims),
)

# open_clip's coca_ViT-L-14: as open_clip_vit-b-p32.py.
_base_ = [
    '_base_/models/open_clip_vit-l-p14.py',
    '_base_/datasets/image_text_pairs.py',
    '_base_/schedules/adamw_open_clip.py',
    '_base_/default_runtime.py',
]
from mmcoca.composition import join

join(_base_)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=10_000))

# A linear probe of ImageNet with open_clip's ViT-B/32: ../_base_/tasks/linear_imagenet.py says what
# and whence.
_base_ = [
    '../open_clip_vit-b-p32_finetune.py',
    '../_base_/tasks/linear_imagenet.py',
    '../_base_/schedules/linear_imagenet.py',
]
from mmcoca.composition import join

join(_base_)

# SNLI-VE with open_clip's ViT-L/14: ../_base_/tasks/snli_ve.py says what and whence.
_base_ = [
    '../open_clip_vit-l-p14_finetune.py',
    '../_base_/tasks/snli_ve.py',
    '../_base_/schedules/snli_ve.py',
]
from mmcoca.composition import join

join(_base_)

# NLVR2 with open_clip's ViT-L/14: ../_base_/tasks/nlvr2.py says what and whence.
_base_ = [
    '../open_clip_vit-l-p14_finetune.py',
    '../_base_/tasks/nlvr2.py',
    '../_base_/schedules/nlvr2.py',
]
from mmcoca.composition import join

join(_base_)

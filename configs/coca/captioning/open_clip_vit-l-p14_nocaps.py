# NoCaps with open_clip's ViT-L/14: ../_base_/tasks/captioning_nocaps.py says what and whence.
_base_ = [
    '../open_clip_vit-l-p14_finetune.py',
    '../_base_/tasks/captioning_nocaps.py',
    '../_base_/schedules/captioning_nocaps.py',
]
from mmcoca.composition import join

join(_base_)

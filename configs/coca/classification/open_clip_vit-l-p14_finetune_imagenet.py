# ImageNet with the encoder fine-tuned with open_clip's ViT-L/14:
# ../_base_/tasks/finetune_imagenet.py says what and whence.
_base_ = [
    '../open_clip_vit-l-p14_finetune.py',
    '../_base_/tasks/finetune_imagenet.py',
    '../_base_/schedules/finetune_imagenet.py',
]
from mmcoca.composition import join

join(_base_)

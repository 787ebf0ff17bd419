# ImageNet with the encoder fine-tuned with CoCa-Base: ../_base_/tasks/finetune_imagenet.py says
# what and whence.
_base_ = [
    '../coca_base_finetune.py',
    '../_base_/tasks/finetune_imagenet.py',
    '../_base_/schedules/finetune_imagenet.py',
]
from mmcoca.composition import join

join(_base_)

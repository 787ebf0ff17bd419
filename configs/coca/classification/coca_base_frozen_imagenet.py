# ImageNet by the frozen encoder with CoCa-Base: ../_base_/tasks/frozen_imagenet.py says what and
# whence.
_base_ = [
    '../coca_base_finetune.py',
    '../_base_/tasks/frozen_imagenet.py',
    '../_base_/schedules/recognition_imagenet.py',
]
from mmcoca.composition import join

join(_base_)

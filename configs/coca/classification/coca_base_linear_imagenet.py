# A linear probe of ImageNet with CoCa-Base: ../_base_/tasks/linear_imagenet.py says what and
# whence.
_base_ = [
    '../coca_base_finetune.py',
    '../_base_/tasks/linear_imagenet.py',
    '../_base_/schedules/linear_imagenet.py',
]
from mmcoca.composition import join

join(_base_)

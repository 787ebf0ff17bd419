# Zero-shot ImageNet with CoCa-Base: ../_base_/tasks/zeroshot_imagenet.py says what and whence.
_base_ = ['../coca_base.py', '../_base_/tasks/zeroshot_imagenet.py']
from mmcoca.composition import join

join(_base_)

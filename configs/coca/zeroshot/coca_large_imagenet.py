# Zero-shot ImageNet with CoCa-Large: ../_base_/tasks/zeroshot_imagenet.py says what and whence.
_base_ = ['../coca_large.py', '../_base_/tasks/zeroshot_imagenet.py']
from mmcoca.composition import join

join(_base_)

# Zero-shot CIFAR-10 with open_clip's ViT-L/14: ../_base_/tasks/zeroshot_cifar10.py says what and
# whence.
_base_ = ['../open_clip_vit-l-p14.py', '../_base_/tasks/zeroshot_cifar10.py']
from mmcoca.composition import join

join(_base_)

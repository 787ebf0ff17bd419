# Zero-shot CIFAR-10 with open_clip's ViT-B/32: ../_base_/tasks/zeroshot_cifar10.py says what and
# whence.
_base_ = ['../open_clip_vit-b-p32.py', '../_base_/tasks/zeroshot_cifar10.py']
from mmcoca.composition import join

join(_base_)

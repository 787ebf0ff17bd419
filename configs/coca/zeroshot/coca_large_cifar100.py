# Zero-shot CIFAR-100 with CoCa-Large: ../_base_/tasks/zeroshot_cifar100.py says what and whence.
_base_ = ['../coca_large.py', '../_base_/tasks/zeroshot_cifar100.py']
from mmcoca.composition import join

join(_base_)

# Zero-shot CIFAR-100 with CoCa-Base: ../_base_/tasks/zeroshot_cifar100.py says what and whence.
_base_ = ['../coca_base.py', '../_base_/tasks/zeroshot_cifar100.py']
from mmcoca.composition import join

join(_base_)

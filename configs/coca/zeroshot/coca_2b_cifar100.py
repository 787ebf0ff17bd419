# Zero-shot CIFAR-100 with the paper's 2.1B model: ../_base_/tasks/zeroshot_cifar100.py says what
# and whence.
_base_ = ['../coca_2b.py', '../_base_/tasks/zeroshot_cifar100.py']
from mmcoca.composition import join

join(_base_)

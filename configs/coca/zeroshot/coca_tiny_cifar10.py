# Zero-shot CIFAR-10 with the tiny model: ../_base_/tasks/zeroshot_cifar10.py says what and whence.
_base_ = ['../coca_tiny_finetune.py', '../_base_/tasks/zeroshot_cifar10.py']
from mmcoca.composition import join

join(_base_)

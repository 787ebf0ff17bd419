# ImageNet with the encoder fine-tuned with the tiny model: ../_base_/tasks/finetune_imagenet.py
# says what and whence.
_base_ = ['../coca_tiny_finetune.py', '../_base_/tasks/finetune_imagenet.py']
from mmcoca.composition import join

join(_base_)

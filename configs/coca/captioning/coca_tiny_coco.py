# Captioning on COCO with the tiny model: ../_base_/tasks/captioning_coco.py says what and whence.
_base_ = ['../coca_tiny_finetune.py', '../_base_/tasks/captioning_coco.py']
from mmcoca.composition import join

join(_base_)

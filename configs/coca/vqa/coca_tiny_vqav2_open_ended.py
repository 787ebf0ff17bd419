# VQA v2, answers written, with the tiny model: ../_base_/tasks/vqav2_open_ended.py says what and
# whence.
_base_ = ['../coca_tiny_finetune.py', '../_base_/tasks/vqav2_open_ended.py']
from mmcoca.composition import join

join(_base_)

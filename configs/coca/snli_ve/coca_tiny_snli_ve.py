# SNLI-VE with the tiny model: ../_base_/tasks/snli_ve.py says what and whence.
_base_ = ['../coca_tiny_finetune.py', '../_base_/tasks/snli_ve.py']
from mmcoca.composition import join

join(_base_)

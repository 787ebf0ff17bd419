# The file for NoCaps' server with the tiny model: ../_base_/tasks/captioning_nocaps_test.py says
# what and whence.
_base_ = ['../coca_tiny_finetune.py', '../_base_/tasks/captioning_nocaps_test.py']
from mmcoca.composition import join

join(_base_)

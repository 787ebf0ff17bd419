# The file for the server of VQA v2 with the tiny model: ../_base_/tasks/vqav2_test.py says what and
# whence.
_base_ = ['../coca_tiny_finetune.py', '../_base_/tasks/vqav2_test.py']
from mmcoca.composition import join

join(_base_)

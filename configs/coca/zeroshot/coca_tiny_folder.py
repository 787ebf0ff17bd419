# Zero-shot classification of a folder of class folders with the tiny model:
# ../_base_/tasks/zeroshot_folder.py says what and whence.
_base_ = ['../coca_tiny_finetune.py', '../_base_/tasks/zeroshot_folder.py']
from mmcoca.composition import join

join(_base_)

# Zero-shot classification of a folder of class folders with CoCa-Base:
# ../_base_/tasks/zeroshot_folder.py says what and whence.
_base_ = ['../coca_base.py', '../_base_/tasks/zeroshot_folder.py']
from mmcoca.composition import join

join(_base_)

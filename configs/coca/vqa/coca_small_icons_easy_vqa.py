# easy-VQA from the shipped model's weights: ../_base_/tasks/easy_vqa.py says what and whence.
_base_ = ['../coca_small_icons_finetune.py', '../_base_/tasks/easy_vqa.py']
from mmcoca.composition import join

join(_base_)

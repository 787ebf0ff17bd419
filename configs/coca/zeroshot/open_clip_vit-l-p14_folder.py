# Zero-shot classification of a folder of class folders with open_clip's ViT-L/14:
# ../_base_/tasks/zeroshot_folder.py says what and whence.
_base_ = ['../open_clip_vit-l-p14.py', '../_base_/tasks/zeroshot_folder.py']
from mmcoca.composition import join

join(_base_)

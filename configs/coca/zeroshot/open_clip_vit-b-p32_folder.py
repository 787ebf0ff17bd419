# Zero-shot classification of a folder of class folders with open_clip's ViT-B/32:
# ../_base_/tasks/zeroshot_folder.py says what and whence.
_base_ = ['../open_clip_vit-b-p32.py', '../_base_/tasks/zeroshot_folder.py']
from mmcoca.composition import join

join(_base_)

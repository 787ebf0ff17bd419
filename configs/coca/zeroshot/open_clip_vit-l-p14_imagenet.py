# Zero-shot ImageNet with open_clip's ViT-L/14: ../_base_/tasks/zeroshot_imagenet.py says what and
# whence. open_clip publishes 75.6 % top-1 of laion2b_s13b_b90k.
_base_ = ['../open_clip_vit-l-p14.py', '../_base_/tasks/zeroshot_imagenet.py']
from mmcoca.composition import join

join(_base_)

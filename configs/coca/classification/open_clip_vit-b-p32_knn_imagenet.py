# ImageNet by the 20 nearest training images with open_clip's ViT-B/32:
# ../_base_/tasks/knn_imagenet.py says what and whence.
_base_ = ['../open_clip_vit-b-p32.py', '../_base_/tasks/knn_imagenet.py']
from mmcoca.composition import join

join(_base_)

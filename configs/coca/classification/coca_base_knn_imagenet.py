# ImageNet by the 20 nearest training images with CoCa-Base: ../_base_/tasks/knn_imagenet.py says
# what and whence.
_base_ = ['../coca_base.py', '../_base_/tasks/knn_imagenet.py']
from mmcoca.composition import join

join(_base_)

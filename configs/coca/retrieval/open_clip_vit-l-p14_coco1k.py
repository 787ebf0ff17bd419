# Zero-shot retrieval on COCO, folds of 1,000 images, with open_clip's ViT-L/14:
# ../_base_/tasks/retrieval_coco1k.py says what and whence.
_base_ = ['../open_clip_vit-l-p14.py', '../_base_/tasks/retrieval_coco1k.py']
from mmcoca.composition import join

join(_base_)

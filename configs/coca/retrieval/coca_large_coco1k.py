# Zero-shot retrieval on COCO, folds of 1,000 images, with CoCa-Large:
# ../_base_/tasks/retrieval_coco1k.py says what and whence.
_base_ = ['../coca_large.py', '../_base_/tasks/retrieval_coco1k.py']
from mmcoca.composition import join

join(_base_)

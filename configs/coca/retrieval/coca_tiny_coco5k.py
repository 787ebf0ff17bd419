# Zero-shot retrieval on COCO with the tiny model: ../_base_/tasks/retrieval_coco5k.py says what and
# whence.
_base_ = ['../coca_tiny_finetune.py', '../_base_/tasks/retrieval_coco5k.py']
from mmcoca.composition import join

join(_base_)

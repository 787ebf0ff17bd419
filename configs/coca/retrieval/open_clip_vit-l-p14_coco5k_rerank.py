# Zero-shot retrieval on COCO, re-ranked, with open_clip's ViT-L/14:
# ../_base_/tasks/retrieval_coco5k_rerank.py says what and whence.
_base_ = ['../open_clip_vit-l-p14.py', '../_base_/tasks/retrieval_coco5k_rerank.py']
from mmcoca.composition import join

join(_base_)

# Zero-shot retrieval on COCO, re-ranked, with CoCa-Large:
# ../_base_/tasks/retrieval_coco5k_rerank.py says what and whence.
_base_ = ['../coca_large.py', '../_base_/tasks/retrieval_coco5k_rerank.py']
from mmcoca.composition import join

join(_base_)

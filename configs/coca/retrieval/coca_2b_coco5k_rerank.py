# Zero-shot retrieval on COCO, re-ranked, with the paper's 2.1B model:
# ../_base_/tasks/retrieval_coco5k_rerank.py says what and whence.
_base_ = ['../coca_2b.py', '../_base_/tasks/retrieval_coco5k_rerank.py']
from mmcoca.composition import join

join(_base_)

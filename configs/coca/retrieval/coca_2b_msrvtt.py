# Zero-shot retrieval on MSR-VTT with the paper's 2.1B model: ../_base_/tasks/retrieval_msrvtt.py
# says what and whence.
_base_ = ['../coca_2b.py', '../_base_/tasks/retrieval_msrvtt.py']
from mmcoca.composition import join

join(_base_)

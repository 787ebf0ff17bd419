# Zero-shot retrieval on MSR-VTT with the tiny model: ../_base_/tasks/retrieval_msrvtt.py says what
# and whence.
_base_ = ['../coca_tiny_finetune.py', '../_base_/tasks/retrieval_msrvtt.py']
from mmcoca.composition import join

join(_base_)

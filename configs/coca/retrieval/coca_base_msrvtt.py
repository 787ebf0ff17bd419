# Zero-shot retrieval on MSR-VTT with CoCa-Base: ../_base_/tasks/retrieval_msrvtt.py says what and
# whence.
_base_ = ['../coca_base.py', '../_base_/tasks/retrieval_msrvtt.py']
from mmcoca.composition import join

join(_base_)

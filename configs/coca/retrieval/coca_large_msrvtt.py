# Zero-shot retrieval on MSR-VTT with CoCa-Large: ../_base_/tasks/retrieval_msrvtt.py says what and
# whence.
_base_ = ['../coca_large.py', '../_base_/tasks/retrieval_msrvtt.py']
from mmcoca.composition import join

join(_base_)

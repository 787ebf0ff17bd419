# NLVR2 with CoCa-Base: ../_base_/tasks/nlvr2.py says what and whence.
_base_ = ['../coca_base_finetune.py', '../_base_/tasks/nlvr2.py', '../_base_/schedules/nlvr2.py']
from mmcoca.composition import join

join(_base_)

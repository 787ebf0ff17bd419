# SNLI-VE with CoCa-Base: ../_base_/tasks/snli_ve.py says what and whence.
_base_ = [
    '../coca_base_finetune.py',
    '../_base_/tasks/snli_ve.py',
    '../_base_/schedules/snli_ve.py',
]
from mmcoca.composition import join

join(_base_)

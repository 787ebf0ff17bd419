# VQA v2, answers written, with CoCa-Base: ../_base_/tasks/vqav2_open_ended.py says what and whence.
_base_ = [
    '../coca_base_finetune.py',
    '../_base_/tasks/vqav2_open_ended.py',
    '../_base_/schedules/vqav2.py',
]
from mmcoca.composition import join

join(_base_)

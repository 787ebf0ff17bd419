# The file for NoCaps' server with the paper's 2.1B model: ../_base_/tasks/captioning_nocaps_test.py
# says what and whence.
_base_ = [
    '../coca_2b_finetune.py',
    '../_base_/tasks/captioning_nocaps_test.py',
    '../_base_/schedules/captioning_nocaps.py',
]
from mmcoca.composition import join

join(_base_)

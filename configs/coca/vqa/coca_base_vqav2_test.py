# The file for the server of VQA v2 with CoCa-Base: ../_base_/tasks/vqav2_test.py says what and
# whence.
_base_ = [
    '../coca_base_finetune.py',
    '../_base_/tasks/vqav2_test.py',
    '../_base_/schedules/vqav2.py',
]
from mmcoca.composition import join

join(_base_)

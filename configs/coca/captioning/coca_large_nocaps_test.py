# The file for NoCaps' server with CoCa-Large: ../_base_/tasks/captioning_nocaps_test.py says what
# and whence.
_base_ = [
    '../coca_large_finetune.py',
    '../_base_/tasks/captioning_nocaps_test.py',
    '../_base_/schedules/captioning_nocaps.py',
]
from mmcoca.composition import join

join(_base_)

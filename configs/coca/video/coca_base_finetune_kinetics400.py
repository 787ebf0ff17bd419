# Kinetics-400 with the encoder fine-tuned with CoCa-Base: ../_base_/tasks/finetune_kinetics400.py
# says what and whence.
_base_ = [
    '../coca_base_finetune.py',
    '../_base_/tasks/finetune_kinetics400.py',
    '../_base_/schedules/recognition_kinetics400.py',
]
from mmcoca.composition import join

join(_base_)

# Kinetics-400 with the encoder fine-tuned with the tiny model:
# ../_base_/tasks/finetune_kinetics400.py says what and whence.
_base_ = ['../coca_tiny_finetune.py', '../_base_/tasks/finetune_kinetics400.py']
from mmcoca.composition import join

join(_base_)

# Kinetics-400 by the frozen encoder with the tiny model: ../_base_/tasks/frozen_kinetics400.py says
# what and whence.
_base_ = ['../coca_tiny_finetune.py', '../_base_/tasks/frozen_kinetics400.py']
from mmcoca.composition import join

join(_base_)

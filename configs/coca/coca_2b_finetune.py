# CoCa, the paper's 2.1B model with the schedule that the paper's fine-tunings share; tasks inherit
# it.
_base_ = [
    '_base_/models/coca_2b.py',
    '_base_/datasets/image_text_pairs.py',
    '_base_/schedules/adafactor_cosine.py',
    '_base_/default_runtime.py',
]
from mmcoca.composition import join

join(_base_)
load_from = _base_.pretrained
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=5000))

# The shipped model for any task, from its weights.
_base_ = [
    '_base_/models/coca_small_icons.py',
    '_base_/datasets/image_text_pairs.py',
    '_base_/schedules/muon_tiny.py',
    '_base_/schedules/counted_in_steps.py',
    '_base_/default_runtime.py',
]
from mmcoca.composition import join

join(_base_)
load_from = _base_.pretrained
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=500))

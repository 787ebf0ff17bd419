# coca_tiny_emoji.py with AdamW for all parameters and its own weight decay: for comparison.
_base_ = [
    '_base_/models/coca_tiny.py',
    '_base_/datasets/emoji.py',
    '_base_/schedules/adamw_tiny.py',
    '_base_/default_runtime.py',
]
from mmcoca.composition import join

join(_base_)

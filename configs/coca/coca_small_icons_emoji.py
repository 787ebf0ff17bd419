# The shipped model, which has never seen an emoji, fine-tuned on them.
_base_ = [
    '_base_/models/coca_small_icons.py',
    '_base_/datasets/emoji.py',
    '_base_/schedules/muon_tiny.py',
    '_base_/default_runtime.py',
]
from mmcoca.composition import join

join(_base_)
load_from = _base_.pretrained
default_hooks = dict(checkpoint=dict(interval=4))

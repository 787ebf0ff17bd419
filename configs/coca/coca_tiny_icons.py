# CoCa trained from scratch on 167,000 icons, and tested on a designer it has never seen.
_base_ = [
    '_base_/models/coca_tiny.py',
    '_base_/datasets/icons.py',
    '_base_/schedules/muon_icons.py',
    '_base_/default_runtime.py',
]
from mmcoca.composition import join

join(_base_)
model = _base_.vocabulary
# An epoch takes minutes: what a kill costs is at most so many steps.
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=100))

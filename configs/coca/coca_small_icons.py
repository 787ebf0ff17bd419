# The model that comes with the package: a CoCa of 8.3M parameters, trained on 167,000 icons.
_base_ = [
    '_base_/models/coca_small_icons.py',
    '_base_/datasets/icons_many_epochs.py',
    '_base_/schedules/muon_icons.py',
    '_base_/default_runtime.py',
]
from mmcoca.composition import join

join(_base_)
# As many as an evening has time for: the last was still a gain on the dev designer.
train_cfg = dict(max_epochs=12)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=100))

# CoCa trained from scratch on emoji in minutes on 2 CPU cores. Its validation set is the test set,
# so it reports its last checkpoint; choices were made with coca_tiny_emoji_dev.py.
_base_ = [
    '_base_/models/coca_tiny.py',
    '_base_/datasets/emoji.py',
    '_base_/schedules/muon_tiny.py',
    '_base_/default_runtime.py',
]
from mmcoca.composition import join

join(_base_)
# An epoch takes seconds: every fourth is saved.
default_hooks = dict(checkpoint=dict(interval=4))

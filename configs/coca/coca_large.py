# CoCa-Large, pretrained as CoCa-Base (coca_base.py).
_base_ = [
    '_base_/models/coca_large.py',
    '_base_/datasets/image_text_pairs.py',
    '_base_/schedules/adafactor_linear_500k.py',
    '_base_/default_runtime.py',
]
from mmcoca.composition import join

join(_base_)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=10_000))

# The shipped model's encoder by twenty topics of the icons;
# ../_base_/tasks/frozen_topic_icons.py says what and whence. From a random encoder:
# --cfg-options model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/coca_small_icons.py',
    '../_base_/datasets/icons.py',
    '../_base_/tasks/frozen_topic_icons.py',
    '../_base_/schedules/muon_icons.py',
    '../_base_/default_runtime.py',
]
from mmcoca.composition import join

join(_base_)
# Not load_from, by which a single encoder's own pooler would come along.
init_cfg = dict(type='Pretrained', checkpoint=_base_.pretrained, prefix='backbone.')
model = dict(backbone=dict(init_cfg=init_cfg))
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=100))

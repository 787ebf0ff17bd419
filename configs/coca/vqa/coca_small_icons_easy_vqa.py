# easy-VQA from the shipped model's weights, with batch and number of steps of
# coca_tiny_easy_vqa.py; from its random start: --cfg-options load_from=None.
# ../_base_/tasks/easy_vqa.py says what and whence.
_base_ = [
    '../_base_/models/coca_small_icons.py',
    '../_base_/datasets/image_text_pairs.py',
    '../_base_/tasks/easy_vqa.py',
    '../_base_/schedules/muon_tiny.py',
    '../_base_/schedules/counted_in_steps.py',
    '../_base_/default_runtime.py',
]
from mmcoca.composition import join

steps = 600
join(_base_)
load_from = _base_.pretrained
model = dict(contrastive_head=None)
train_dataloader = dict(batch_size=256)
train_cfg = dict(max_iters=steps, val_interval=steps)

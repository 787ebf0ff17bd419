# easy-VQA from the shipped model's weights, with batch and number of steps of
# coca_tiny_easy_vqa.py; from its random start: --cfg-options load_from=None.
# ../_base_/tasks/easy_vqa.py says what and whence.
_base_ = ['../coca_small_icons_finetune.py', '../_base_/tasks/easy_vqa.py']
from mmcoca.composition import join

steps = 600
join(_base_)
model = dict(contrastive_head=None)
train_dataloader = dict(batch_size=256)
train_cfg = dict(max_iters=steps, val_interval=steps)

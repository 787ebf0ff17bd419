# easy-VQA by the tiny model at 64 px, from its random start, without the contrastive loss. The
# number of steps, four passes over the questions, was chosen on train_dev / val_dev (one trial);
# the rate is muon_tiny.py's. It is evaluated on the test questions, once, after its last step.
_base_ = [
    '../_base_/models/coca_tiny.py',
    '../_base_/datasets/image_text_pairs.py',
    '../_base_/tasks/easy_vqa.py',
    '../_base_/schedules/muon_tiny.py',
    '../_base_/schedules/counted_in_steps.py',
    '../_base_/default_runtime.py',
]
from mmcoca.composition import join

image_size = 64
steps = 600
_base_.image.test[0].scale = (image_size, image_size)
join(_base_)
model = dict(
    backbone=dict(img_size=image_size),
    contrastive_head=None,
    tokenizer=dict(vocab_file='data/easy_vqa/tokenizer.json'),
)
train_dataloader = dict(batch_size=256)
train_cfg = dict(max_iters=steps, val_interval=steps)

# The second stage of section 4.1 of the paper: CoCa-Base at 576 px, so 1,024 image tokens, from the
# weights of coca_base.py, whose position embeddings are interpolated as they are loaded. The paper
# takes one epoch and prints no learning rate: 10k steps, at a tenth of the first stage's, are ours.
_base_ = [
    '_base_/models/coca_base_576px.py',
    '_base_/datasets/image_text_pairs.py',
    '_base_/schedules/adafactor_linear_500k.py',
    '_base_/default_runtime.py',
]
from mmcoca.composition import join

join(_base_)
max_iters = 10_000
warmup_iters = max_iters // 50

load_from = 'work_dirs/coca_base/iter_500000.pth'
optim_wrapper = dict(optimizer=dict(lr=0.1 * _base_.optim_wrapper.optimizer.lr))
param_scheduler = _base_.param_scheduler
param_scheduler[0].end = warmup_iters
param_scheduler[1].update(begin=warmup_iters, end=max_iters)
train_cfg = dict(max_iters=max_iters)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=10_000))

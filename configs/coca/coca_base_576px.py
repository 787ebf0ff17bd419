# The second stage of section 4.1 of the paper: CoCa-Base at 576 px, so 1,024 image tokens, from the
# weights of coca_base.py, whose position embeddings are interpolated as they are loaded. The paper
# takes one epoch and prints no learning rate: 10k steps, at a tenth of the first stage's, are ours.
_base_ = 'coca_base.py'
image_size = 576
max_iters = 10_000
warmup_iters = max_iters // 50

load_from = 'work_dirs/coca_base/iter_500000.pth'
model = dict(backbone=dict(img_size=image_size))

train_pipeline = _base_.train_pipeline
train_pipeline[1].scale = image_size
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = (image_size, image_size)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(optimizer=dict(lr=0.1 * _base_.optim_wrapper.optimizer.lr))
param_scheduler = _base_.param_scheduler
param_scheduler[0].end = warmup_iters
param_scheduler[1].update(begin=warmup_iters, end=max_iters)
train_cfg = dict(max_iters=max_iters)

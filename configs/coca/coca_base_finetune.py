# What the paper's fine-tunings share (appendix, Table 9 ff.): Adafactor, gradients clipped at norm
# 1.0, weight decay 0.1, a cosine to 0; the warm-up of 1,000 steps is printed for recognition alone.
# Start from pretrained weights: --cfg-options load_from=work_dirs/coca_base/iter_500000.pth
_base_ = 'coca_base.py'

optim_wrapper = dict(
    clip_grad=dict(max_norm=1.0),
    optimizer=dict(weight_decay=0.1),
)
# The two factors multiply; the cosine goes to the last of train_cfg.max_iters.
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, end=1000, by_epoch=False),
    dict(type='CosineAnnealingLR', by_epoch=False),
]

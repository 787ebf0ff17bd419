# What the paper's fine-tunings share (appendix): Adafactor as in pretraining, gradients clipped at
# norm 1.0, weight decay 0.1, a cosine to 0; the warm-up of 1,000 steps is printed for recognition
# alone. Tasks set the learning rate and train_cfg.max_iters.
optim_wrapper = dict(
    type='mmcoca.OptimWrapper',
    clip_grad=dict(max_norm=1.0),
    optimizer=dict(type='mmcoca.Adafactor', momentum=0.9, beta2_cap=0.999, weight_decay=0.1),
)
# The two factors multiply; the cosine goes to the end of training.
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, end=1000, by_epoch=False),
    dict(type='CosineAnnealingLR', by_epoch=False),
]
train_cfg = dict(by_epoch=False, val_interval=5000)
val_cfg = dict()
test_cfg = dict()
log_processor = dict(by_epoch=False)
auto_scale_lr = dict(enable=False)

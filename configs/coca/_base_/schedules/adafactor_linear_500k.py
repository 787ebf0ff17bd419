# Pretraining schedule of the paper, section 4.1: Adafactor with beta 0.9 / 0.999, decoupled weight
# decay 0.01, peak learning rate 8e-4, 2 % of 500k steps warm-up, linear decay to 0.
max_iters = 500_000
warmup_iters = max_iters // 50

optim_wrapper = dict(
    type='mmcoca.OptimWrapper',
    optimizer=dict(
        type='mmcoca.Adafactor', lr=8e-4, momentum=0.9, beta2_cap=0.999, weight_decay=0.01
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=warmup_iters, by_epoch=False),
    dict(
        type='LinearLR',
        start_factor=1.0,
        end_factor=0.0,
        begin=warmup_iters,
        end=max_iters,
        by_epoch=False,
    ),
]
train_cfg = dict(by_epoch=False, max_iters=max_iters, val_interval=10_000)
val_cfg = dict()
test_cfg = dict()
log_processor = dict(by_epoch=False)
auto_scale_lr = dict(enable=False, base_batch_size=65536)

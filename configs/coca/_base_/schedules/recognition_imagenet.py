# The paper's recipe for ImageNet, frozen and fine-tuned alike: batch 512 (8 processes of 64),
# average of weights 0.9999, no warm-up.
schedule = dict(
    optim_wrapper=dict(optimizer=dict(lr=5e-4, weight_decay=0.01)),
    param_scheduler=[dict(type='CosineAnnealingLR', by_epoch=False)],
    train_cfg=dict(max_iters=200_000),
    auto_scale_lr=dict(base_batch_size=512),
    custom_hooks=[dict(type='mmcoca.EMAHook', momentum=1e-4)],
)

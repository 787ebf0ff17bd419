# What muon_tiny.py counts in epochs, in steps: for the tiny model in other tasks, to try them on 2
# CPU cores. The number of steps is no recipe: set train_cfg.max_iters.
schedule = dict(
    param_scheduler=[
        dict(type='LinearLR', start_factor=1e-3, end=50, by_epoch=False),
        dict(type='CosineAnnealingLR', by_epoch=False),
    ],
    train_cfg=dict(_delete_=True, by_epoch=False, max_iters=1000, val_interval=500),
    log_processor=dict(by_epoch=False),
    # A kill costs so many steps at most.
    default_hooks=dict(checkpoint=dict(by_epoch=False, interval=100)),
    train_dataloader=dict(num_workers=1),
    val_dataloader=dict(num_workers=1),
    test_dataloader=dict(num_workers=1),
)

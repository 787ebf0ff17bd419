# detection_coco.py's optimizer for a training of minutes on 2 cores: a higher rate and a cosine to
# 0, one pass over the 4,000 scenes. These are the first values that were tried: val is there to
# choose others by.
_base_ = 'detection_coco.py'
steps = 500

schedule = dict(
    optim_wrapper=dict(optimizer=dict(lr=1e-3), clip_grad=dict(max_norm=1.0)),
    param_scheduler=[
        dict(type='LinearLR', start_factor=1e-3, end=50, by_epoch=False),
        dict(type='CosineAnnealingLR', by_epoch=False),
    ],
    train_cfg=dict(max_iters=steps, val_interval=steps),
    auto_scale_lr=dict(base_batch_size=8),
    default_hooks=dict(checkpoint=dict(by_epoch=False, interval=250)),
)

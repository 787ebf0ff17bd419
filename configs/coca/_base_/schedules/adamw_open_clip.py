# What open_clip's trainer (3.3.0) does unless told otherwise: AdamW with the learning rate, betas,
# epsilon, weight decay and warm-up of its defaults for a ViT, then a cosine to 0. The steps are
# those that "s13b_b90k" in the name of its weights tells: 13B pairs in batches of 90k.
max_iters = 144_000
warmup_iters = 10_000

optim_wrapper = dict(
    type='mmcoca.OptimWrapper',
    optimizer=dict(
        type='AdamW', lr=5e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.2, fused=True
    ),
    # No decay of what has fewer than two dimensions there.
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        flat_decay_mult=0.0,
        custom_keys=dict(cls_token=dict(decay_mult=0.0), logit_scale=dict(decay_mult=0.0)),
        bypass_duplicate=True,  # of tied embeddings
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, begin=0, end=warmup_iters, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=warmup_iters, end=max_iters, by_epoch=False),
]
train_cfg = dict(by_epoch=False, max_iters=max_iters, val_interval=10_000)
val_cfg = dict()
test_cfg = dict()
log_processor = dict(by_epoch=False)
auto_scale_lr = dict(enable=False, base_batch_size=90_000)

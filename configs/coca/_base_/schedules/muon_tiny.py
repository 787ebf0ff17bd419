# Small runs on the CPU, chosen on train_dev / val_dev: Muon for the matrices, AdamW for embeddings,
# queries, norms and biases.
max_epochs = 48
warmup_epochs = 3

optim_wrapper = dict(
    type='mmcoca.BFloat16OptimWrapper',
    constructor='mmcoca.MuonConstructor',
    optimizer=dict(
        type='mmcoca.Muon',
        lr=5e-3,
        fallback_lr_scale=0.32,  # AdamW's learning rate is 1.6e-3
        betas=(0.9, 0.98),
        momentum=0.95,
        weight_decay=0.75,
    ),
    clip_grad=dict(max_norm=1.0),
)
# The two factors multiply. A cosine without `end` goes to the end of training, so that a shorter or
# longer run needs no more than another max_epochs.
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-3,
        end=warmup_epochs,
        by_epoch=True,
        convert_to_iter_based=True
    ),
    dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=max_epochs // 4)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=256)

# ViTDet's schedule (arXiv 2203.16527, appendix A.2; the steps as in its code): AdamW, 64 images a
# step, 100 epochs of COCO, 250 steps to warm up, the rate divided by ten after 8/9 and 26/27 of
# them, and a rate that falls from layer to layer towards the image by 0.7 (Base; Large 0.8).
steps = 184375

schedule = dict(
    optim_wrapper=dict(
        _delete_=True,
        type='mmcoca.OptimWrapper',
        constructor='mmcoca.LayerDecayConstructor',
        optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.1),
        paramwise_cfg=dict(
            layer_decay_rate=0.7,
            norm_decay_mult=0.0,
            custom_keys={'pos_embed': dict(decay_mult=0)}
        ),
    ),
    param_scheduler=[
        dict(type='LinearLR', start_factor=1e-3, end=250, by_epoch=False),
        dict(type='MultiStepLR', milestones=[163889, 177546], gamma=0.1, by_epoch=False),
    ],
    train_cfg=dict(_delete_=True, by_epoch=False, max_iters=steps, val_interval=steps // 20),
    log_processor=dict(by_epoch=False),
    auto_scale_lr=dict(base_batch_size=64),
)

# The paper's recipe for Kinetics-400, frozen and fine-tuned alike: batch 128 (8 processes of 16),
# no weight decay, average of weights 0.9999, a warm-up of 1,000 steps.
batch_of_task = 16  # a process

schedule = dict(
    train_dataloader=dict(batch_size=batch_of_task),
    val_dataloader=dict(batch_size=batch_of_task),
    test_dataloader=dict(batch_size=batch_of_task),
    optim_wrapper=dict(optimizer=dict(lr=5e-4, weight_decay=0.0)),
    train_cfg=dict(max_iters=120_000),
    auto_scale_lr=dict(base_batch_size=8 * batch_of_task),
    custom_hooks=[dict(type='mmcoca.EMAHook', momentum=1e-4)],
)

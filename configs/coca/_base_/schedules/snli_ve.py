# The paper's steps, batch and rates for SNLI-VE (appendix).
batch_of_task = 128  # over all processes
pretrained_lr = 5e-5
head_lr = 1e-3

schedule = dict(
    train_dataloader=dict(batch_size=batch_of_task),
    optim_wrapper=dict(
        optimizer=dict(lr=pretrained_lr),
        paramwise_cfg=dict(
            custom_keys=dict(understanding_head=dict(lr_mult=head_lr / pretrained_lr)),
            bypass_duplicate=True,  # of tied embeddings
        ),
    ),
    train_cfg=dict(max_iters=50_000),
    auto_scale_lr=dict(base_batch_size=batch_of_task),
)

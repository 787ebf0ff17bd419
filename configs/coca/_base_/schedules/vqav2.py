# The paper's steps, batch and rates for VQA v2 (appendix).
batch_of_task = 64  # over all processes
pretrained_lr = 2e-5
head_lr = 5e-4

schedule = dict(
    train_dataloader=dict(batch_size=batch_of_task),
    optim_wrapper=dict(
        optimizer=dict(lr=pretrained_lr),
        paramwise_cfg=dict(
            custom_keys=dict(understanding_head=dict(lr_mult=head_lr / pretrained_lr)),
            bypass_duplicate=True,  # of tied embeddings
        ),
    ),
    train_cfg=dict(max_iters=100_000),
    auto_scale_lr=dict(base_batch_size=batch_of_task),
)

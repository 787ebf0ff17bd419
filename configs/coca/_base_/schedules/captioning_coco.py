# The paper's steps, batch and rate for captioning on COCO (appendix); of Flickr30K it has none.
batch_of_task = 128  # over all processes

schedule = dict(
    train_dataloader=dict(batch_size=batch_of_task),
    optim_wrapper=dict(optimizer=dict(lr=1e-5)),
    train_cfg=dict(max_iters=50_000),
    auto_scale_lr=dict(base_batch_size=batch_of_task),
)

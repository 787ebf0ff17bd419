# NLVR2 (paper section 4.2.3): is the sentence true of the two images? What the head reads from each
# image with the sentence is concatenated. Steps, batch and rates are the paper's, which has no
# augmentation; cross entropy and images resized without a crop are ours. The paper's 2.1B model at
# dev / test-P: 86.1 / 87.0.
# Data: data/nlvr2/{train,dev,test1}.json and data/nlvr2/{train,dev,test1}/*.png, such as
# dev/dev-0-1-img0.png; train without the hundred folders into which its archive unpacks.
_base_ = '../coca_base_finetune.py'
batch_size = 64  # over all processes
pretrained_lr = 2e-5
head_lr = 5e-4

model = dict(
    type='mmcoca.CoCaForUnderstanding',
    understanding_head=dict(
        type='mmcoca.UnderstandingHead',
        num_classes=2,
        num_images=2,
        dims=_base_.dims,
        num_heads=_base_.num_heads,
        loss=dict(type='CrossEntropyLoss'),
    ),
    captioning_head=None,
    generation=None,
)

pipeline = [
    dict(
        type='ApplyToList',
        scatter_key='img_path',
        transforms=_base_.test_pipeline[:2],
        collate_keys=['img'],
    ),
    dict(type='PackInputs', algorithm_keys=['text'], meta_keys=['img_path']),
]
train_dataloader = dict(
    batch_size=batch_size,
    dataset=dict(
        _delete_=True,
        type='NLVR2',
        data_root='data/nlvr2',
        ann_file='train.json',
        data_prefix='train',
        pipeline=pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='NLVR2',
        data_root='data/nlvr2',
        ann_file='dev.json',
        data_prefix='dev',
        pipeline=pipeline,
        test_mode=True,
    )
)
test_dataloader = dict(
    dataset=dict(val_dataloader['dataset'], ann_file='test1.json', data_prefix='test1')
)
val_evaluator = [dict(type='Accuracy')]
test_evaluator = val_evaluator

optim_wrapper = dict(
    optimizer=dict(lr=pretrained_lr),
    paramwise_cfg=dict(custom_keys=dict(understanding_head=dict(lr_mult=head_lr / pretrained_lr))),
)
train_cfg = dict(max_iters=50_000)
auto_scale_lr = dict(base_batch_size=batch_size)

# SNLI-VE, visual entailment (paper section 4.2.3): does the image entail the sentence, contradict
# it, or neither? Steps, batch, rates and RandAugment are the paper's; cross entropy and images
# resized without a crop are ours. The paper's 2.1B model at dev / test: 87.0 / 87.1.
# Data: data/snli_ve/snli_ve_{train,dev,test}.jsonl, and the images of Flickr30k in
# data/flickr30k/images/<Flickr30K_ID>.jpg.
_base_ = '../coca_base_finetune.py'
batch_size = 128  # over all processes
pretrained_lr = 5e-5
head_lr = 1e-3

model = dict(
    type='mmcoca.CoCaForUnderstanding',
    understanding_head=dict(
        type='mmcoca.UnderstandingHead',
        num_classes=3,
        dims=_base_.dims,
        num_heads=_base_.num_heads,
        loss=dict(type='CrossEntropyLoss'),
    ),
    captioning_head=None,
    generation=None,
)

pack = dict(type='PackInputs', algorithm_keys=['text'], meta_keys=['image_id', 'img_path'])
rand_augment = dict(
    type='RandAugment', policies='timm_increasing', num_policies=1, magnitude_level=10
)
train_pipeline = [*_base_.test_pipeline[:2], rand_augment, pack]
test_pipeline = [*_base_.test_pipeline[:2], pack]
data_prefix = 'data/flickr30k/images'
train_dataloader = dict(
    batch_size=batch_size,
    dataset=dict(
        _delete_=True,
        type='mmcoca.SNLIVE',
        ann_file='data/snli_ve/snli_ve_train.jsonl',
        data_prefix=data_prefix,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmcoca.SNLIVE',
        ann_file='data/snli_ve/snli_ve_dev.jsonl',
        data_prefix=data_prefix,
        pipeline=test_pipeline,
        test_mode=True,
    )
)
test_dataloader = dict(
    dataset=dict(val_dataloader['dataset'], ann_file='data/snli_ve/snli_ve_test.jsonl')
)
val_evaluator = [dict(type='Accuracy')]
test_evaluator = val_evaluator

optim_wrapper = dict(
    optimizer=dict(lr=pretrained_lr),
    paramwise_cfg=dict(custom_keys=dict(understanding_head=dict(lr_mult=head_lr / pretrained_lr))),
)
train_cfg = dict(max_iters=50_000)
auto_scale_lr = dict(base_batch_size=batch_size)

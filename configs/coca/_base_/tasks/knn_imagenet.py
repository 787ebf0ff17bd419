# ImageNet without training: the 20 training images nearest to an image, by the mean of the frozen
# encoder's patch tokens, vote for its class. The paper has no figure; number of neighbours and
# temperature are DINO's (arXiv 2104.14294). For tools/test.py with a checkpoint of pretraining.
# Data: as in frozen_imagenet.py, for folders of your own too (but for num_classes; k is at most the
# number of training images).
pack = dict(type='PackInputs')
imagenet = dict(
    type='ImageNet', data_root='data/imagenet', pipeline=['image.load', 'image.test', pack]
)
task = dict(
    model=dict(
        _keep_=['data_preprocessor', 'backbone'],
        type='mmcoca.EncoderClassifier',
        data_preprocessor=dict(type='ClsDataPreprocessor'),
        backbone=dict(out_type='featmap'),
        neck=dict(type='GlobalAveragePooling'),
    ),
    test_dataloader=dict(dataset=dict(imagenet, split='val')),
    test_cfg=dict(
        type='mmcoca.KNNTestLoop',
        key_dataloader=dict(
            batch_size=64,
            num_workers=8,
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='default_collate'),
            dataset=dict(imagenet, split='train'),
        ),
        k=20,
        temperature=0.07,
    ),
    test_evaluator=[dict(type='Accuracy', topk=(1, 5), prefix='knn')],
    train_cfg=None,
    train_dataloader=None,
    optim_wrapper=None,
    param_scheduler=None,
    val_cfg=None,
    val_dataloader=None,
    val_evaluator=None,
)

# ImageNet by the frozen encoder, a new pooler of one query and a linear classifier (paper section
# 3.3): CoCa (2B) 90.6 % top-1; of Base the paper has no figure. Label smoothing 0.2 and RandAugment
# 2,20 are the paper's; ours: crops, flips, and that the scale of RandAugment's 20 ends at 30
# (beyond their end, mmpretrain's transforms leave black images). Data:
# data/imagenet/{train,val}/<wordnet id>/*.JPEG, or with meta/{train,val}.txt; for folders of your
# own classes set data_root, type='CustomDataset', data_prefix in place of split, num_classes, and
# with less than five classes topk=1 of both evaluators.
imagenet = dict(type='ImageNet', data_root='data/imagenet')
augment = [
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='RandAugment',
        policies='timm_increasing',
        num_policies=2,
        magnitude_level=20,
        total_level=30,
    ),
]
pack = dict(type='PackInputs')
imagenet_val = dict(
    dataset=dict(imagenet, split='val', pipeline=['image.load', 'image.test', pack])
)
task = dict(
    model=dict(
        _keep_=['data_preprocessor', 'backbone'],
        type='mmcoca.FrozenEncoderClassifier',
        data_preprocessor=dict(type='ClsDataPreprocessor'),
        neck=dict(type='mmcoca.RecognitionPooler'),
        head=dict(
            type='LinearClsHead',
            num_classes=1000,
            loss=dict(type='LabelSmoothLoss', label_smooth_val=0.2),
        ),
    ),
    train_dataloader=dict(
        dataset=dict(
            imagenet, split='train', pipeline=['image.load', 'image.train', *augment, pack]
        )
    ),
    val_dataloader=imagenet_val,
    test_dataloader=imagenet_val,
    val_evaluator=[dict(type='Accuracy', topk=(1, 5))],
    test_evaluator=[dict(type='Accuracy', topk=(1, 5))],
)

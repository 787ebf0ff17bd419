# NLVR2 (paper section 4.2.3): is the sentence true of the two images? What the head reads from each
# image with the sentence is concatenated. The paper has no augmentation; cross entropy and images
# resized without a crop are ours. The paper's 2.1B model at dev / test-P: 86.1 / 87.0.
# Data: data/nlvr2/{train,dev,test1}.json and data/nlvr2/{train,dev,test1}/*.png, such as
# dev/dev-0-1-img0.png; train without the hundred folders into which its archive unpacks.
both_images = dict(
    type='ApplyToList',
    scatter_key='img_path',
    transforms=['image.load', 'image.test'],
    collate_keys=['img'],
)
pack = dict(type='PackInputs', algorithm_keys=['text'], meta_keys=['img_path'])
nlvr2 = dict(type='NLVR2', data_root='data/nlvr2', pipeline=[both_images, pack])
task = dict(
    model=dict(
        type='mmcoca.CoCaForUnderstanding',
        understanding_head=dict(
            type='mmcoca.UnderstandingHead',
            num_classes=2,
            num_images=2,
            loss=dict(type='CrossEntropyLoss'),
        ),
        captioning_head=None,
        generation=None,
    ),
    train_dataloader=dict(dataset=dict(ann_file='train.json', data_prefix='train', **nlvr2)),
    val_dataloader=dict(
        dataset=dict(ann_file='dev.json', data_prefix='dev', test_mode=True, **nlvr2)
    ),
    test_dataloader=dict(
        dataset=dict(ann_file='test1.json', data_prefix='test1', test_mode=True, **nlvr2)
    ),
    val_evaluator=[dict(type='Accuracy')],
    test_evaluator=[dict(type='Accuracy')],
)

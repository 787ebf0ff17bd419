# Zero-shot classification of a folder with a folder of images for each class, whose name is the
# class: data/my_images/<class name>/*.jpg. Another folder: --cfg-options model.classes=FOLDER
# test_dataloader.dataset.data_root=FOLDER
_base_ = 'coca_base_imagenet.py'
data_root = 'data/my_images'

model = dict(classes=data_root, templates='a photo of a {}.')
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root=data_root,
        pipeline=_base_.test_pipeline,
    )
)
val_dataloader = test_dataloader
test_evaluator = [dict(type='Accuracy', topk=(1, ), prefix='zeroshot')]
val_evaluator = test_evaluator

# Zero-shot classification of a folder with a folder of images for each class, whose name is the
# class: data/my_images/<class name>/*.jpg. Another folder: --cfg-options model.classes=FOLDER
# test_dataloader.dataset.data_root=FOLDER
_base_ = 'zeroshot_imagenet.py'
class_folders = 'data/my_images'

images_in_folders = dict(
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root=class_folders,
        pipeline=['image.load', 'image.test', dict(type='PackInputs')],
    )
)
top1 = [dict(type='Accuracy', topk=(1, ), prefix='zeroshot')]
task = dict(
    model=dict(classes=class_folders, templates='a photo of a {}.'),
    test_dataloader=images_in_folders,
    val_dataloader=images_in_folders,
    test_evaluator=top1,
    val_evaluator=top1,
)

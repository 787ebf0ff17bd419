# Zero-shot CIFAR-10, of which the paper has no figure, with CLIP's 7 simple prompts. Data:
# data/cifar10/cifar-10-batches-py, as its archive unpacks.
_base_ = 'zeroshot_imagenet.py'

# Without loading: the images come from the pickles.
cifar_test = dict(
    dataset=dict(
        _delete_=True,
        type='CIFAR10',
        data_root='data/cifar10',
        split='test',
        download=False,
        pipeline=['image.test', dict(type='PackInputs')],
    )
)
task = dict(
    model=dict(
        classes='cifar10',
        templates='openai_simple',
        data_preprocessor=dict(to_rgb=False),  # the pickles are RGB, files are read as BGR
    ),
    test_dataloader=cifar_test,
    val_dataloader=cifar_test,
)

# Zero-shot CIFAR-100, as zeroshot_cifar10.py. Data: data/cifar100/cifar-100-python, as its archive
# unpacks.
_base_ = 'zeroshot_imagenet.py'

# Without loading: the images come from the pickles.
cifar_test = dict(
    dataset=dict(
        _delete_=True,
        type='CIFAR100',
        data_root='data/cifar100',
        split='test',
        download=False,
        pipeline=['image.test', dict(type='PackInputs')],
    )
)
task = dict(
    model=dict(
        classes='cifar100',
        templates='openai_simple',
        data_preprocessor=dict(to_rgb=False),  # the pickles are RGB, files are read as BGR
    ),
    test_dataloader=cifar_test,
    val_dataloader=cifar_test,
)

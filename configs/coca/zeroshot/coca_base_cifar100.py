# Zero-shot CIFAR-100, as coca_base_cifar10.py. Data: data/cifar100/cifar-100-python, as its archive
# unpacks.
_base_ = 'coca_base_imagenet.py'

model = dict(
    classes='cifar100',
    templates='openai_simple',
    data_preprocessor=dict(to_rgb=False),  # the pickles are RGB, files are read as BGR
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CIFAR100',
        data_root='data/cifar100',
        split='test',
        download=False,
        pipeline=_base_.test_pipeline[1:],
    )
)
val_dataloader = test_dataloader

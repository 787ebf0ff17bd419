# Zero-shot CIFAR-100, as zeroshot_cifar10.py. Data: data/cifar100/cifar-100-python, as its archive
# unpacks.
_base_ = 'zeroshot_cifar10.py'

cifar100_test = dict(dataset=dict(type='CIFAR100', data_root='data/cifar100'))
task = dict(
    model=dict(classes='cifar100'), test_dataloader=cifar100_test, val_dataloader=cifar100_test
)

# Zero-shot CIFAR-100, as CIFAR-10. Data: data/cifar100/cifar-100-python, as its archive unpacks.
_base_ = 'coca_base_cifar10.py'

model = dict(classes='cifar100')
test_dataloader = dict(dataset=dict(type='CIFAR100', data_root='data/cifar100'))
val_dataloader = test_dataloader

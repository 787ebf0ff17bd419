# muon_tiny.py for large data, where an epoch has many steps: the warm-up is counted in steps.
_base_ = 'muon_tiny.py'
max_epochs = 2

param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, end=50, by_epoch=False),
    dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=1)

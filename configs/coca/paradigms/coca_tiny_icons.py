# CoCa beside the families that it unites: ../coca_tiny_icons.py, tested on the dev designer.
_base_ = '../coca_tiny_icons.py'

test_dataloader = _base_.val_dataloader

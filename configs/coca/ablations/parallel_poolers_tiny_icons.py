# Table 8, poolers: parallel has 71.2 (zero-shot ImageNet) and 68.7 (VQA), beside the reference's
# cascade with 71.6 and 69.0.
_base_ = 'reference_tiny_icons.py'

model = dict(neck=dict(mode='parallel'))

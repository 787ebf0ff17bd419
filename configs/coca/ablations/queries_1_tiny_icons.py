# Table 8, caption queries: 1 has 69.3 (zero-shot ImageNet) and 64.4 (VQA).
_base_ = 'reference_tiny_icons.py'

model = dict(neck=dict(num_queries=1))

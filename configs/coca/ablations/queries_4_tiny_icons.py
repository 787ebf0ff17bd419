# Table 8, caption queries: 32 have 71.2 (zero-shot ImageNet) and 68.2 (VQA). They are fewer than
# the image tokens, 256 in the paper, 16 here.
_base_ = 'reference_tiny_icons.py'

model = dict(neck=dict(num_queries=4))

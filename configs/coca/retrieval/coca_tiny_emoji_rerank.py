# Retrieval on the emoji with the 16 best of each query ordered anew by the captioner's own
# log p(text | image), which is added to the logit of the contrastive head; neither was tuned.
_base_ = '../coca_tiny_emoji.py'

test_cfg = dict(type='mmcoca.RerankingTestLoop')

# Retrieval on the icons with the 16 best of each query ordered anew by the captioner's own
# log p(text | image), which is added to the logit of the contrastive head; neither was tuned.
_base_ = '../coca_small_icons.py'

test_cfg = dict(type='mmcoca.RerankingTestLoop')

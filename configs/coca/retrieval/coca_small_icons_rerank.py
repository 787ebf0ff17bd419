# Retrieval on the icons with the 16 best of each query ordered anew by the captioner's own
# log p(text | image), which is added to the logit of the contrastive head; neither was tuned.
_base_ = [
    '../_base_/models/coca_small_icons.py',
    '../_base_/datasets/icons.py',
    '../_base_/schedules/muon_icons.py',
    '../_base_/default_runtime.py',
]
from mmcoca.composition import join

join(_base_)
test_cfg = dict(type='mmcoca.RerankingTestLoop')

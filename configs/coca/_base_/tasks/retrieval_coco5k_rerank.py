# As retrieval_coco5k.py, then the 16 best of each query ordered anew by the captioner's own log
# p(text | image) (not in the paper), which is added to the logit of the contrastive head; neither
# was tuned.
_base_ = 'retrieval_coco5k.py'

task = dict(test_cfg=dict(type='mmcoca.RerankingTestLoop'))

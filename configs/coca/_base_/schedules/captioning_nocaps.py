# The paper fine-tunes 10k steps on COCO for NoCaps (appendix).
_base_ = 'captioning_coco.py'

schedule = dict(train_cfg=dict(max_iters=10_000))

# The paper's steps for NLVR2 (appendix); batch and rates are those of VQA v2.
_base_ = 'vqav2.py'

schedule = dict(train_cfg=dict(max_iters=50_000))

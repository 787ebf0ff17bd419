# Retrieval on the emoji with the 16 best of each query ordered anew by the captioner's own
# log p(text | image). Weight 1 multiplies the odds of both heads; neither number was tuned.
_base_ = '../coca_tiny_emoji.py'

test_cfg = dict(type='mmcoca.RerankingTestLoop', num_candidates=16, similarity_weight=1.0)

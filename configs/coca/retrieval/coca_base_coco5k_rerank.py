# As coca_base_coco5k.py, then the 16 best of each query ordered anew by the captioner (not in the
# paper; numbers as in coca_tiny_emoji_rerank.py).
_base_ = 'coca_base_coco5k.py'

test_cfg = dict(type='mmcoca.RerankingTestLoop', num_candidates=16, similarity_weight=1.0)

# coca_tiny_emoji.py tested on the 160 concepts that training never saw, by all four artists.
_base_ = 'coca_tiny_emoji.py'

test_dataloader = dict(dataset=dict(ann_file='annotations/test_concept.json'))

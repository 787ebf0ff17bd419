# coca_tiny_emoji.py tested without the flags.
_base_ = 'coca_tiny_emoji.py'

test_dataloader = dict(dataset=dict(ann_file='annotations/test_artist_without_flags.json'))

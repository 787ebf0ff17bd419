# As coca_tiny_emoji_one_artist.py with the contrastive loss kept on.
_base_ = 'coca_tiny_emoji_one_artist.py'

model = dict(contrastive_head=dict(loss=dict(loss_weight=1.0)), frozen=[])

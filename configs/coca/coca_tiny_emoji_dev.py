# The pair on which every choice for coca_tiny_emoji.py was made: two artists to train on, a third
# (Noto) to validate. No test drawing is seen.
_base_ = 'coca_tiny_emoji.py'

train_dataloader = dict(dataset=dict(ann_file='annotations/train_dev.json'))
val_dataloader = dict(dataset=dict(ann_file='annotations/val_dev.json'))
test_dataloader = val_dataloader
# Here the best checkpoint may be kept: the validation set is no test set.
default_hooks = dict(checkpoint=dict(save_best='i2t/retrieval/Recall@1', rule='greater'))

# An encoder-decoder: coca_tiny_icons.py with the captioning loss alone, everything else unchanged.
# Of Base with 12 decoder layers the paper has 68.9 (VQA), beside CoCa's 69.0 at 1.01 times the cost
# of a step (Table 8). Data: data/icons, tested on the dev designer.
_base_ = '../coca_tiny_icons.py'

model = dict(contrastive_head=None)
test_dataloader = _base_.val_dataloader
val_evaluator = _base_.val_evaluator[1:]  # captions
test_evaluator = val_evaluator

# The shipped model for any task, from its weights.
_base_ = [
    '_base_/models/coca_small_icons.py',
    '_base_/datasets/image_text_pairs.py',
    '_base_/schedules/muon_tiny.py',
    '_base_/schedules/counted_in_steps.py',
    '_base_/default_runtime.py',
]
from mmcoca.composition import join

join(_base_)
load_from = _base_.pretrained
# An example, not tuned: muon_tiny.py's rate was chosen for 256 pairs a step, these are 64.
optim_wrapper = dict(optimizer=dict(lr=2e-3))
# Drawings share captions: equal ones are one text, right for each of their images.
recall = dict(_base_.val_evaluator[0], merge_identical_texts=True)
val_evaluator = [recall, *_base_.val_evaluator[1:]]
test_evaluator = val_evaluator

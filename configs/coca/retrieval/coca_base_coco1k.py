# As coca_base_coco5k.py, the mean over five folds of 1,000 images; the paper has no figure of it.
_base_ = 'coca_base_coco5k.py'

test_evaluator = [dict(type='mmcoca.RetrievalMetric', folds=5)]
val_evaluator = test_evaluator

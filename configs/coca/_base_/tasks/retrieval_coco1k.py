# As retrieval_coco5k.py, the mean over five folds of 1,000 images; the paper has no figure of it.
_base_ = 'retrieval_coco5k.py'

recalls = [dict(type='mmcoca.RetrievalMetric', folds=5)]
task = dict(test_evaluator=recalls, val_evaluator=recalls)

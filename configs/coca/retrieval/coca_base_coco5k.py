# Zero-shot retrieval on COCO's 5,000 test images with five captions each (paper section 4.2.2, at
# 2.1B parameters: image to text R@1/5/10 66.3/86.2/91.8, text to image 51.2/74.2/82.0). Data:
# data/coco/val2014/*.jpg and Karpathy's data/coco/annotations/dataset_coco.json.
_base_ = '../coca_base.py'

model = dict(generation=None)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='Flickr30kRetrieval',  # reads every data set in Karpathy's format
        data_root='data/coco',
        data_prefix='val2014',
        ann_file='annotations/dataset_coco.json',
        split='test',
        test_mode=True,
        pipeline=_base_.test_pipeline,
    )
)
val_dataloader = test_dataloader
test_evaluator = [dict(type='mmcoca.RetrievalMetric')]
val_evaluator = test_evaluator

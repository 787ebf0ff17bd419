# Zero-shot retrieval on COCO's 5,000 test images with five captions each (paper section 4.2.2, at
# 2.1B parameters: image to text R@1/5/10 66.3/86.2/91.8, text to image 51.2/74.2/82.0). Data:
# data/coco/val2014/*.jpg and Karpathy's data/coco/annotations/dataset_coco.json.
pack = dict(
    type='PackInputs',
    algorithm_keys=['gt_caption', 'text'],  # text: of mmpretrain's retrieval inferencers
    meta_keys=['image_id', 'img_path'],
)
karpathy_test = dict(
    dataset=dict(
        type='Flickr30kRetrieval',  # reads every data set in Karpathy's format
        data_root='data/coco',
        data_prefix='val2014',
        ann_file='annotations/dataset_coco.json',
        split='test',
        test_mode=True,
        pipeline=['image.load', 'image.test', pack],
    )
)
recalls = [dict(type='mmcoca.RetrievalMetric')]
task = dict(
    model=dict(generation=None),
    test_dataloader=karpathy_test,
    val_dataloader=karpathy_test,
    test_evaluator=recalls,
    val_evaluator=recalls,
)

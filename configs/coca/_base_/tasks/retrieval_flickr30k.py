# Zero-shot retrieval on Flickr30K's 1,000 test images with five captions each (paper section 4.2.2,
# at 2.1B parameters: image to text R@1/5/10 92.5/99.5/99.9, text to image 80.4/95.7/97.7). Data:
# data/flickr30k/images/*.jpg and Karpathy's data/flickr30k/annotations/dataset_flickr30k.json.
_base_ = 'retrieval_coco5k.py'

flickr30k = dict(
    dataset=dict(
        data_root='data/flickr30k',
        data_prefix='images',
        ann_file='annotations/dataset_flickr30k.json',
    )
)
task = dict(test_dataloader=flickr30k, val_dataloader=flickr30k)

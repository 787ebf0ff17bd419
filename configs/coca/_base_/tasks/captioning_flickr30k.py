# Captioning on Flickr30K, Karpathy's splits; the paper has no figure. Data:
# data/flickr30k/images/*.jpg and Karpathy's data/flickr30k/annotations/dataset_flickr30k.json.
_base_ = 'captioning_coco.py'

flickr30k = dict(
    data_root='data/flickr30k',
    data_prefix='images',
    ann_file='annotations/dataset_flickr30k.json',
)
images_with_captions = dict(flickr30k, type='Flickr30kRetrieval')  # an item an image, with all
task = dict(
    train_dataloader=dict(dataset=dict(flickr30k, type='Flickr30kCaption', split='train')),
    val_dataloader=dict(dataset=dict(images_with_captions, split='val')),
    test_dataloader=dict(dataset=dict(images_with_captions, split='test')),
)

# Captioning on Flickr30K, Karpathy's splits; the paper has no figure, the numbers are COCO's. Data:
# data/flickr30k/images/*.jpg and Karpathy's data/flickr30k/annotations/dataset_flickr30k.json.
_base_ = 'coca_base_coco.py'

flickr30k = dict(
    _delete_=True,
    data_root='data/flickr30k',
    data_prefix='images',
    ann_file='annotations/dataset_flickr30k.json',
)
train_dataloader = dict(
    dataset=dict(
        type='Flickr30kCaption',
        split='train',
        pipeline=_base_.train_pipeline,
        **flickr30k,
    )
)
# An item an image, with all its captions.
val_dataloader = dict(
    dataset=dict(
        type='Flickr30kRetrieval',
        split='val',
        test_mode=True,
        pipeline=_base_.test_pipeline,
        **flickr30k,
    )
)
test_dataloader = dict(dataset=dict(val_dataloader['dataset'], split='test'))

# Captioning on COCO, Karpathy's splits, with the captioning loss alone (paper section 4.2.3; at
# 2.1B parameters BLEU-4 40.9, METEOR 33.9, CIDEr 143.6). Data: data/coco/{train2014,val2014}/*.jpg
# and annotations/coco_karpathy_{train,val,test}.json in the form of BLIP, which mmpretrain's
# COCOCaption reads.
pack_pair = dict(
    type='PackInputs', algorithm_keys=['gt_caption'], meta_keys=['image_id', 'img_path']
)
pack = dict(
    type='PackInputs',
    algorithm_keys=['gt_caption', 'text'],  # text: of mmpretrain's retrieval inferencers
    meta_keys=['image_id', 'img_path'],
)
coco = dict(type='COCOCaption', data_root='data/coco')
test_images = dict(test_mode=True, pipeline=['image.load', 'image.test', pack])
task = dict(
    # What serves the contrastive loss alone waits unchanged, so that the fine-tuned model can still
    # be asked for embeddings: captioning_coco_contrastive.py keeps them good.
    model=dict(contrastive_head=dict(loss=dict(loss_weight=0.0))),
    train_dataloader=dict(
        dataset=dict(
            ann_file='annotations/coco_karpathy_train.json',
            pipeline=['image.load', 'image.train', pack_pair],
            **coco,
        )
    ),
    val_dataloader=dict(
        dataset=dict(ann_file='annotations/coco_karpathy_val.json', **test_images, **coco)
    ),
    test_dataloader=dict(
        dataset=dict(ann_file='annotations/coco_karpathy_test.json', **test_images, **coco)
    ),
)

# Captioning on COCO, Karpathy's splits, with the captioning loss alone (paper section 4.2.3 and
# appendix: 50k steps, batch 128, learning rate 1e-5; at 2.1B parameters BLEU-4 40.9, METEOR 33.9,
# CIDEr 143.6). Data: data/coco/{train2014,val2014}/*.jpg and annotations/coco_karpathy_{train,val,
# test}.json in the form of BLIP, which mmpretrain's COCOCaption reads.
_base_ = '../coca_base_finetune.py'

# What serves the contrastive loss alone waits unchanged, so that the fine-tuned model can still be
# asked for embeddings: coca_base_coco_contrastive.py keeps them good.
model = dict(contrastive_head=dict(loss=dict(loss_weight=0.0)))
coco = dict(_delete_=True, type='COCOCaption', data_root='data/coco')
train_dataloader = dict(
    batch_size=128,
    dataset=dict(
        ann_file='annotations/coco_karpathy_train.json', pipeline=_base_.train_pipeline, **coco
    ),
)
val_dataloader = dict(
    dataset=dict(
        ann_file='annotations/coco_karpathy_val.json',
        test_mode=True,
        pipeline=_base_.test_pipeline,
        **coco,
    )
)
test_dataloader = dict(
    dataset=dict(val_dataloader['dataset'], ann_file='annotations/coco_karpathy_test.json')
)
optim_wrapper = dict(optimizer=dict(lr=1e-5))
train_cfg = dict(max_iters=50_000)
auto_scale_lr = dict(base_batch_size=128)

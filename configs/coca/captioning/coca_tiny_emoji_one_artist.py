# Fine-tunes coca_tiny_emoji.py for captions on one artist's drawings, with the captioning loss
# alone, as captioning/coca_base_coco.py does; tested on another artist's. As many epochs and as
# high a rate as in the pretraining, so that what is lost shows; neither was tuned. To keep the
# contrastive loss on: --cfg-options model.contrastive_head.loss.loss_weight=1.0
_base_ = '../coca_tiny_emoji.py'

load_from = 'work_dirs/coca_tiny_emoji/epoch_48.pth'
model = dict(contrastive_head=dict(loss=dict(loss_weight=0.0)))
train_dataloader = dict(dataset=dict(filter_cfg=dict(folder='noto')))

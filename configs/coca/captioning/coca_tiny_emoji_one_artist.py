# Fine-tunes coca_tiny_emoji.py for captions on one artist's drawings, with the captioning loss
# alone, as captioning/coca_base_coco.py; tested on another artist's. Steps and rate are ours, a
# sixth and a fifth of the pretraining's, untuned.
_base_ = '../coca_tiny_emoji.py'
max_epochs = 24

load_from = 'work_dirs/coca_tiny_emoji/epoch_48.pth'
model = dict(
    contrastive_head=dict(loss=dict(loss_weight=0.0)),
    frozen=['contrastive_head'],
)
train_dataloader = dict(dataset=dict(filter_cfg=dict(folder='noto')))
optim_wrapper = dict(optimizer=dict(lr=0.2 * _base_.optim_wrapper.optimizer.lr))
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)

# As captioning_coco.py with the contrastive loss kept on, so that zero-shot recognition and
# retrieval survive the fine-tuning (not in the paper; the loss weights are its pretraining's).
_base_ = 'captioning_coco.py'

task = dict(model=dict(contrastive_head=dict(loss=dict(loss_weight=1.0))))

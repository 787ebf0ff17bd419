# Captioning on COCO with the contrastive loss kept on with open_clip's ViT-B/32:
# ../_base_/tasks/captioning_coco_contrastive.py says what and whence.
_base_ = [
    '../open_clip_vit-b-p32_finetune.py',
    '../_base_/tasks/captioning_coco_contrastive.py',
    '../_base_/schedules/captioning_coco.py',
]
from mmcoca.composition import join

join(_base_)

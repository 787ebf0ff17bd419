# Captioning on COCO with open_clip's ViT-L/14: ../_base_/tasks/captioning_coco.py says what and
# whence. open_clip publishes BLEU-4 35.6, METEOR 29.8 and CIDEr 125.3 of its own fine-tuning.
_base_ = [
    '../open_clip_vit-l-p14_finetune.py',
    '../_base_/tasks/captioning_coco.py',
    '../_base_/schedules/captioning_coco.py',
]
from mmcoca.composition import join

join(_base_)

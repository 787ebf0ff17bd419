# Captioning on COCO with the contrastive loss kept on with the tiny model:
# ../_base_/tasks/captioning_coco_contrastive.py says what and whence.
_base_ = ['../coca_tiny_finetune.py', '../_base_/tasks/captioning_coco_contrastive.py']
from mmcoca.composition import join

join(_base_)

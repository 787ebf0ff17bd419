# Captioning on COCO with the contrastive loss kept on with the paper's 2.1B model:
# ../_base_/tasks/captioning_coco_contrastive.py says what and whence.
_base_ = [
    '../coca_2b_finetune.py',
    '../_base_/tasks/captioning_coco_contrastive.py',
    '../_base_/schedules/captioning_coco.py',
]
from mmcoca.composition import join

join(_base_)

# Captioning on Flickr30K with the paper's 2.1B model: ../_base_/tasks/captioning_flickr30k.py says
# what and whence.
_base_ = [
    '../coca_2b_finetune.py',
    '../_base_/tasks/captioning_flickr30k.py',
    '../_base_/schedules/captioning_coco.py',
]
from mmcoca.composition import join

join(_base_)

# Captioning on Flickr30K with CoCa-Base: ../_base_/tasks/captioning_flickr30k.py says what and
# whence.
_base_ = [
    '../coca_base_finetune.py',
    '../_base_/tasks/captioning_flickr30k.py',
    '../_base_/schedules/captioning_coco.py',
]
from mmcoca.composition import join

join(_base_)

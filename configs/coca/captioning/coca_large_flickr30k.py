# Captioning on Flickr30K with CoCa-Large: ../_base_/tasks/captioning_flickr30k.py says what and
# whence.
_base_ = [
    '../coca_large_finetune.py',
    '../_base_/tasks/captioning_flickr30k.py',
    '../_base_/schedules/captioning_coco.py',
]
from mmcoca.composition import join

join(_base_)

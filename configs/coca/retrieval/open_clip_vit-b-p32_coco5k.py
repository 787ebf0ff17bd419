# Zero-shot retrieval on COCO with open_clip's ViT-B/32: ../_base_/tasks/retrieval_coco5k.py says
# what and whence. open_clip publishes R@1 54.6 (i2t) and 36.2 (t2i) of laion2b_s13b_b90k.
_base_ = ['../open_clip_vit-b-p32.py', '../_base_/tasks/retrieval_coco5k.py']
from mmcoca.composition import join

join(_base_)

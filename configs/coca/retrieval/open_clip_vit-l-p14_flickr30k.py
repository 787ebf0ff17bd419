# Zero-shot retrieval on Flickr30K with open_clip's ViT-L/14: ../_base_/tasks/retrieval_flickr30k.py
# says what and whence. open_clip publishes R@1 88.4 (i2t) and 74.3 (t2i) of laion2b_s13b_b90k.
_base_ = ['../open_clip_vit-l-p14.py', '../_base_/tasks/retrieval_flickr30k.py']
from mmcoca.composition import join

join(_base_)

# Zero-shot retrieval on Flickr30K with open_clip's ViT-B/32: ../_base_/tasks/retrieval_flickr30k.py
# says what and whence. open_clip publishes R@1 81.6 (i2t) and 63.4 (t2i) of laion2b_s13b_b90k.
_base_ = ['../open_clip_vit-b-p32.py', '../_base_/tasks/retrieval_flickr30k.py']
from mmcoca.composition import join

join(_base_)

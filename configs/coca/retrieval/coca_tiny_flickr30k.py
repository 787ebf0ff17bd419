# Zero-shot retrieval on Flickr30K with the tiny model: ../_base_/tasks/retrieval_flickr30k.py says
# what and whence.
_base_ = ['../coca_tiny_finetune.py', '../_base_/tasks/retrieval_flickr30k.py']
from mmcoca.composition import join

join(_base_)

# Zero-shot retrieval on Flickr30K with CoCa-Base: ../_base_/tasks/retrieval_flickr30k.py says what
# and whence.
_base_ = ['../coca_base.py', '../_base_/tasks/retrieval_flickr30k.py']
from mmcoca.composition import join

join(_base_)

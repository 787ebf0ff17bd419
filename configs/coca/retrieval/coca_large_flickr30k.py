# Zero-shot retrieval on Flickr30K with CoCa-Large: ../_base_/tasks/retrieval_flickr30k.py says what
# and whence.
_base_ = ['../coca_large.py', '../_base_/tasks/retrieval_flickr30k.py']
from mmcoca.composition import join

join(_base_)

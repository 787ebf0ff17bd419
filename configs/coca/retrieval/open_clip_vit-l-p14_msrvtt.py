# Zero-shot retrieval on MSR-VTT with open_clip's ViT-L/14: ../_base_/tasks/retrieval_msrvtt.py says
# what and whence.
_base_ = ['../open_clip_vit-l-p14.py', '../_base_/tasks/retrieval_msrvtt.py']
from mmcoca.composition import join

join(_base_)

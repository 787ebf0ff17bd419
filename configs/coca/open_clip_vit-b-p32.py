# open_clip's coca_ViT-B-32: evaluate or fine-tune weights that
# tools/model_converters/open_clip_to_mmcoca.py has converted, or train the architecture anew.
_base_ = [
    '_base_/models/open_clip_vit-b-p32.py',
    '_base_/datasets/image_text_pairs.py',
    '_base_/schedules/adamw_open_clip.py',
    '_base_/default_runtime.py',
]
from mmcoca.composition import join

join(_base_)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=10_000))

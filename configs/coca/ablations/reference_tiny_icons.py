# What the ablations vary: the paper's choices (Table 8, its best of every kind) in a model like
# coca_tiny_icons.py, half as wide, with a lighter stem, as no row varies the image encoder, and
# with four decoder layers, so that the unimodal part can vary. The paper varies CoCa-Base with 12
# decoder layers and has 71.6 (zero-shot ImageNet) and 69.0 (VQA). Sizes are ours. Data: data/icons,
# tested on the dev designer.
_base_ = [
    '../_base_/models/coca_tiny.py',
    '../_base_/datasets/icons.py',
    '../_base_/schedules/muon_icons.py',
    '../_base_/default_runtime.py',
]
from mmcoca.composition import join

join(_base_)
dims = 192
num_heads = 12

vocabulary = _base_.vocabulary
model = dict(
    tokenizer=vocabulary.tokenizer,
    backbone=dict(stem=dict(channels=(32, 64, 128), strides=(2, 2, 2, 1))),
    neck=dict(dims=dims, num_heads=2 * num_heads),
    text=dict(
        vocabulary.text,
        dims=dims,
        num_heads=num_heads,
        mlp_dims=2 * dims,
        num_unimodal_layers=2,
        num_multimodal_layers=2,
    ),
    contrastive_head=dict(dims=dims, embed_dims=dims),
    captioning_head=dict(vocabulary.captioning_head, dims=dims),
)
test_dataloader = _base_.val_dataloader

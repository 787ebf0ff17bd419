# A dual encoder: coca_tiny_icons.py with the contrastive loss alone, everything else unchanged.
# What only captions need is left out: the multimodal layers and the caption queries. Of Base with
# 12 decoder layers the paper has 70.7 (zero-shot ImageNet) and 59.2 (VQA), beside CoCa's 71.6 and
# 69.0 at 1.18 times the cost of a step (Table 8). Data: data/icons, tested on the dev designer.
_base_ = '../coca_tiny_icons.py'

model = dict(
    neck=dict(
        _delete_=True,
        type='mmcoca.ContrastivePooler',
        dims=_base_.dims,
        memory_dims=_base_.image_dims,
        num_heads=_base_.model.neck.num_heads,
        query_std=_base_.model.neck.query_std,
    ),
    text=dict(num_multimodal_layers=0),
    captioning_head=None,
    generation=None,
)
test_dataloader = _base_.val_dataloader
val_evaluator = _base_.val_evaluator[:1]  # retrieval
test_evaluator = val_evaluator

# NoCaps by a model fine-tuned on COCO's captions for 10k steps (paper, appendix; at 2.1B parameters
# CIDEr 122.4 on its validation images). Data: data/coco as in coca_base_coco.py, and
# data/nocaps/images/*.jpg with annotations/nocaps_val_4500_captions.json. Writes a file for the
# evaluation server.
_base_ = 'coca_base_coco.py'

val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmcoca.ImageTextDataset',
        data_root='data/nocaps',
        ann_file='annotations/nocaps_val_4500_captions.json',
        data_prefix=dict(img_path='images'),
        test_mode=True,
        pipeline=_base_.test_pipeline,
    )
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='mmcoca.CaptionMetric', save_path='work_dirs/nocaps_val.json')]
test_evaluator = val_evaluator
train_cfg = dict(max_iters=10_000)

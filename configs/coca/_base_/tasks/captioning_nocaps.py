# NoCaps by a model fine-tuned on COCO's captions (paper, appendix; at 2.1B parameters CIDEr 122.4
# on its validation images). Data: data/coco as in captioning_coco.py, and data/nocaps/images/*.jpg
# with annotations/nocaps_val_4500_captions.json. Writes a file for the evaluation server.
_base_ = 'captioning_coco.py'

nocaps_val = dict(
    dataset=dict(
        type='mmcoca.ImageTextDataset',
        data_root='data/nocaps',
        ann_file='annotations/nocaps_val_4500_captions.json',
        data_prefix=dict(img_path='images'),
    )
)
nocaps_scores = [dict(type='mmcoca.CaptionMetric', save_path='work_dirs/nocaps_val.json')]
task = dict(
    val_dataloader=nocaps_val,
    test_dataloader=nocaps_val,
    val_evaluator=nocaps_scores,
    test_evaluator=nocaps_scores,
)

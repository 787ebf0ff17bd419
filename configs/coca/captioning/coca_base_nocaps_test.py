# The file for NoCaps' evaluation server on the test images, whose captions are not public, from the
# weights of coca_base_nocaps.py (paper, at 2.1B parameters: CIDEr 120.6). Data:
# data/nocaps/images/*.jpg and annotations/nocaps_test_image_info.json.
_base_ = 'coca_base_coco.py'

test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmcoca.ImageTextDataset',
        data_root='data/nocaps',
        ann_file='annotations/nocaps_test_image_info.json',
        data_prefix=dict(img_path='images'),
        require_captions=False,
        test_mode=True,
        pipeline=_base_.test_pipeline,
    )
)
test_evaluator = [dict(type='NocapsSave', save_dir='work_dirs/nocaps_test')]

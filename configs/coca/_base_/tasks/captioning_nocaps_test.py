# The file for NoCaps' evaluation server on the test images, whose captions are not public, from the
# weights that captioning_nocaps.py trains (paper, at 2.1B parameters: CIDEr 120.6). Data:
# data/nocaps/images/*.jpg and annotations/nocaps_test_image_info.json.
_base_ = 'captioning_coco.py'

task = dict(
    test_dataloader=dict(
        dataset=dict(
            type='mmcoca.ImageTextDataset',
            data_root='data/nocaps',
            ann_file='annotations/nocaps_test_image_info.json',
            data_prefix=dict(img_path='images'),
            require_captions=False,
        )
    ),
    test_evaluator=[dict(type='NocapsSave', save_dir='work_dirs/nocaps_test')],
)

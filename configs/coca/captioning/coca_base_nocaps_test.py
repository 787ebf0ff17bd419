# The file for NoCaps' evaluation server on the test images, whose captions are not public (paper,
# at 2.1B parameters: CIDEr 120.6). Data: data/nocaps/annotations/nocaps_test_image_info.json.
_base_ = 'coca_base_nocaps.py'

test_dataloader = dict(
    dataset=dict(ann_file='annotations/nocaps_test_image_info.json', require_captions=False)
)
test_evaluator = [dict(type='NocapsSave', save_dir='work_dirs/nocaps_test')]

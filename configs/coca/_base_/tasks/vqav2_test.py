# The answers to test2015 of what vqav2.py trains, in the file that the VQA server takes, which
# reports test-dev and test-std (the paper's 2.1B model: 82.3 / 82.3). Data, besides the answers'
# list: data/coco/test2015/*.jpg and
# data/coco/annotations/v2_OpenEnded_mscoco_test2015_questions.json.
_base_ = 'vqav2.py'

task = dict(
    test_dataloader=dict(
        dataset=dict(
            data_prefix='test2015',
            question_file='annotations/v2_OpenEnded_mscoco_test2015_questions.json',
            ann_file='',
        )
    ),
    test_evaluator=[dict(type='ReportVQA', file_path='work_dirs/vqav2_test2015_answers.json')],
)

# The pair on which every choice for coca_tiny_easy_vqa.py was made: no test image is seen.
_base_ = 'coca_tiny_easy_vqa.py'

train_dataloader = dict(
    dataset=dict(
        question_file='annotations/train_dev_questions.json',
        ann_file='annotations/train_dev_annotations.json',
    )
)
val_dataloader = dict(
    dataset=dict(
        data_prefix='images/train',
        question_file='annotations/val_dev_questions.json',
        ann_file='annotations/val_dev_annotations.json',
    )
)
test_dataloader = val_dataloader

# easy-VQA: questions about a drawn shape, its colour and what there is not, with 13 answers. The
# paper has no figure; what is usual here: the most probable answer, without augmentation. Data:
# tools/dataset_converters/easy_vqa.py --out data/easy_vqa. To choose by: train_dev and val_dev.
_base_ = 'vqav2.py'
num_answers = 13  # lines of answers.txt; stands in num_classes and loss_weight

pack = _base_.pack
easy_vqa = dict(data_root='data/easy_vqa', pipeline=['image.load', 'image.test', pack])
easy_vqa_test = dict(
    dataset=dict(
        easy_vqa,
        data_prefix='images/test',
        question_file='annotations/test_questions.json',
        ann_file='annotations/test_annotations.json',
    )
)
task = dict(
    model=dict(
        answers='data/easy_vqa/annotations/answers.txt',
        understanding_head=dict(num_classes=num_answers, loss=dict(loss_weight=num_answers)),
    ),
    train_dataloader=dict(
        dataset=dict(
            easy_vqa,
            data_prefix='images/train',
            question_file='annotations/train_questions.json',
            ann_file='annotations/train_annotations.json',
        )
    ),
    val_dataloader=easy_vqa_test,
    test_dataloader=easy_vqa_test,
)

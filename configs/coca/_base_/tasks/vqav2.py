# Visual question answering on VQA v2 (paper section 4.2.3): the most probable of 3,129 answers,
# while captioning of "question answer" is trained along. RandAugment is the paper's. Ours: the loss
# of the answers (binary cross entropy with soft scores, summed over them, as is usual since arXiv
# 1708.02711), its weight beside captioning's, images resized without a crop, and val2014 to
# validate. The paper's 2.1B model at test-dev / test-std: 82.3 / 82.3.
# Data: data/coco/{train2014,val2014}/*.jpg, and in data/coco/annotations the four JSON files below
# and vqav2_answers.txt, which tools/dataset_converters/vqa_answers.py makes.
num_answers = 3129  # lines of vqav2_answers.txt; stands in num_classes and loss_weight

pack = dict(
    type='PackInputs',
    algorithm_keys=['question', 'gt_answer', 'gt_answer_weight'],
    meta_keys=['question_id', 'image_id', 'img_path'],
)
rand_augment = dict(
    type='RandAugment', policies='timm_increasing', num_policies=1, magnitude_level=10
)
vqav2 = dict(type='COCOVQA', data_root='data/coco')
vqav2_val = dict(
    dataset=dict(
        data_prefix='val2014',
        question_file='annotations/v2_OpenEnded_mscoco_val2014_questions.json',
        ann_file='annotations/v2_mscoco_val2014_annotations.json',
        test_mode=True,
        pipeline=['image.load', 'image.test', pack],
        **vqav2,
    )
)
task = dict(
    model=dict(
        type='mmcoca.CoCaForVQA',
        answers='data/coco/annotations/vqav2_answers.txt',
        understanding_head=dict(
            type='mmcoca.UnderstandingHead',
            num_classes=num_answers,
            # The weight makes the sum over the answers of their mean.
            loss=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=num_answers),
        ),
    ),
    train_dataloader=dict(
        dataset=dict(
            data_prefix='train2014',
            question_file='annotations/v2_OpenEnded_mscoco_train2014_questions.json',
            ann_file='annotations/v2_mscoco_train2014_annotations.json',
            pipeline=['image.load', 'image.test', rand_augment, pack],
            **vqav2,
        )
    ),
    val_dataloader=vqav2_val,
    test_dataloader=vqav2_val,
    val_evaluator=[dict(type='VQAAcc')],
    test_evaluator=[dict(type='VQAAcc')],
)

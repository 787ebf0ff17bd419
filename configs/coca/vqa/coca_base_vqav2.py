# Visual question answering on VQA v2 (paper section 4.2.3): the most probable of 3,129 answers,
# while captioning of "question answer" is trained along. Steps, batch, rates and RandAugment are
# the paper's. Ours: the loss of the answers (binary cross entropy with soft scores, summed over
# them, as is usual since arXiv 1708.02711), its weight beside captioning's, images resized without
# a crop, and val2014 to validate. The paper's 2.1B model at test-dev / test-std: 82.3 / 82.3.
# Data: data/coco/{train2014,val2014}/*.jpg, and in data/coco/annotations the four JSON files below
# and vqav2_answers.txt, which tools/dataset_converters/vqa_answers.py makes.
_base_ = '../coca_base_finetune.py'
num_answers = 3129  # lines of vqav2_answers.txt; stands in num_classes and loss_weight
batch_size = 64  # over all processes
pretrained_lr = 2e-5
head_lr = 5e-4

model = dict(
    type='mmcoca.CoCaForVQA',
    answers='data/coco/annotations/vqav2_answers.txt',
    understanding_head=dict(
        type='mmcoca.UnderstandingHead',
        num_classes=num_answers,
        dims=_base_.dims,
        num_heads=_base_.num_heads,
        # The weight makes the sum over the answers of their mean.
        loss=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=num_answers),
    ),
)

pack = dict(
    type='PackInputs',
    algorithm_keys=['question', 'gt_answer', 'gt_answer_weight'],
    meta_keys=['question_id', 'image_id', 'img_path'],
)
rand_augment = dict(
    type='RandAugment', policies='timm_increasing', num_policies=1, magnitude_level=10
)
train_pipeline = [*_base_.test_pipeline[:2], rand_augment, pack]
test_pipeline = [*_base_.test_pipeline[:2], pack]
train_dataloader = dict(
    batch_size=batch_size,
    dataset=dict(
        _delete_=True,
        type='COCOVQA',
        data_root='data/coco',
        data_prefix='train2014',
        question_file='annotations/v2_OpenEnded_mscoco_train2014_questions.json',
        ann_file='annotations/v2_mscoco_train2014_annotations.json',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='COCOVQA',
        data_root='data/coco',
        data_prefix='val2014',
        question_file='annotations/v2_OpenEnded_mscoco_val2014_questions.json',
        ann_file='annotations/v2_mscoco_val2014_annotations.json',
        pipeline=test_pipeline,
        test_mode=True,
    )
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='VQAAcc')]
test_evaluator = val_evaluator

optim_wrapper = dict(
    optimizer=dict(lr=pretrained_lr),
    paramwise_cfg=dict(custom_keys=dict(understanding_head=dict(lr_mult=head_lr / pretrained_lr))),
)
train_cfg = dict(max_iters=100_000)
auto_scale_lr = dict(base_batch_size=batch_size)

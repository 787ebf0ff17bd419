# SNLI-VE, visual entailment (paper section 4.2.3): does the image entail the sentence, contradict
# it, or neither? RandAugment is the paper's; cross entropy and images resized without a crop are
# ours. The paper's 2.1B model at dev / test: 87.0 / 87.1.
# Data: data/snli_ve/snli_ve_{train,dev,test}.jsonl, and the images of Flickr30k in
# data/flickr30k/images/<Flickr30K_ID>.jpg.
pack = dict(type='PackInputs', algorithm_keys=['text'], meta_keys=['image_id', 'img_path'])
rand_augment = dict(
    type='RandAugment', policies='timm_increasing', num_policies=1, magnitude_level=10
)
snli_ve = dict(type='mmcoca.SNLIVE', data_prefix='data/flickr30k/images')
test_images = dict(test_mode=True, pipeline=['image.load', 'image.test', pack])
task = dict(
    model=dict(
        type='mmcoca.CoCaForUnderstanding',
        understanding_head=dict(
            type='mmcoca.UnderstandingHead', num_classes=3, loss=dict(type='CrossEntropyLoss')
        ),
        captioning_head=None,
        generation=None,
    ),
    train_dataloader=dict(
        dataset=dict(
            ann_file='data/snli_ve/snli_ve_train.jsonl',
            pipeline=['image.load', 'image.test', rand_augment, pack],
            **snli_ve,
        )
    ),
    val_dataloader=dict(
        dataset=dict(ann_file='data/snli_ve/snli_ve_dev.jsonl', **test_images, **snli_ve)
    ),
    test_dataloader=dict(
        dataset=dict(ann_file='data/snli_ve/snli_ve_test.jsonl', **test_images, **snli_ve)
    ),
    val_evaluator=[dict(type='Accuracy')],
    test_evaluator=[dict(type='Accuracy')],
)

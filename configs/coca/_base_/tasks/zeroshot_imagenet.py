# Zero-shot ImageNet (paper section 4.2.2: Base 82.6 % top-1), with the class names and the 80
# prompts that CLIP published. Data: data/imagenet/val/<wordnet id>/*.JPEG, or val/*.JPEG with
# meta/val.txt.
imagenet_val = dict(
    dataset=dict(
        type='ImageNet',
        data_root='data/imagenet',
        split='val',
        pipeline=['image.load', 'image.test', dict(type='PackInputs')],
    )
)
top1_and_top5 = [dict(type='Accuracy', topk=(1, 5), prefix='zeroshot')]
task = dict(
    model=dict(
        type='mmcoca.ZeroShotCoCa',
        classes='imagenet',
        templates='openai_imagenet',
        generation=None,
    ),
    test_dataloader=imagenet_val,
    val_dataloader=imagenet_val,
    test_evaluator=top1_and_top5,
    val_evaluator=top1_and_top5,
    custom_hooks=[dict(type='mmcoca.ClassNamesHook')],
)

# Zero-shot ImageNet (paper section 4.2.2: Base 82.6 % top-1), with the class names and the 80
# prompts that CLIP published. Data: data/imagenet/val/<wordnet id>/*.JPEG, or val/*.JPEG with
# meta/val.txt.
_base_ = '../coca_base.py'

model = dict(
    type='mmcoca.ZeroShotCoCa',
    classes='imagenet',
    templates='openai_imagenet',
    generation=None,
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ImageNet',
        data_root='data/imagenet',
        split='val',
        pipeline=_base_.test_pipeline,
    )
)
val_dataloader = test_dataloader
test_evaluator = [dict(type='Accuracy', topk=(1, 5), prefix='zeroshot')]
val_evaluator = test_evaluator
custom_hooks = [dict(type='mmcoca.ClassNamesHook')]

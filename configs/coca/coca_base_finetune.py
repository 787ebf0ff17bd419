# CoCa-Base with the schedule that the paper's fine-tunings share; tasks inherit it.
_base_ = [
    '_base_/models/coca_base.py',
    '_base_/datasets/image_text_pairs.py',
    '_base_/schedules/adafactor_cosine.py',
    '_base_/default_runtime.py',
]
load_from = 'work_dirs/coca_base/iter_500000.pth'
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=5000))

# Detection of icons pasted on textured backgrounds, as detection_coco.py, with smaller maps and
# fewer regions, for 2 cores; drawings are as large as eleven patches at most, so two scales do.
# To choose by: val, the drawings of two designers; test has those of two others. Data:
# tools/dataset_converters/icon_scenes.py --out data/icon_scenes (and before it icons.py).
_base_ = 'detection_coco.py'
# Of its manifest.json; the ten new_classes there are in no training scene.
classes = [
    'calendar', 'camera', 'home', 'share', 'bookmark', 'cloud', 'book', 'filter', 'download',
    'shield', 'phone', 'bell', 'moon', 'play', 'pause', 'user', 'folder', 'search', 'database',
    'trophy'
]  # yapf: disable
data_root = 'data/icon_scenes/'

scenes = dict(data_root=data_root, metainfo=dict(classes=classes))
# Scenes have the size that they are drawn at; mmdet's mask head wants to be told so.
as_drawn = [
    dict(type='Resize', scale_factor=1.0, keep_ratio=True) if step['type'] == 'Resize' else step
    for step in _base_.coco_val.dataset.pipeline
]
val_scenes = dict(
    scenes, ann_file='annotations/val.json', data_prefix=dict(img='val/'), pipeline=as_drawn
)
test_scenes = dict(val_scenes, ann_file='annotations/test.json', data_prefix=dict(img='test/'))
task = dict(
    model=dict(
        data_preprocessor=dict(pad_size_divisor=16),
        backbone=dict(window_size=0, drop_path_rate=0.0),
        neck=dict(scales=(2, 1), num_outs=3, out_channels=128),
        roi_head=dict(
            bbox_head=dict(num_classes=len(classes), conv_out_channels=128, fc_out_channels=256),
            mask_head=dict(num_classes=len(classes), conv_out_channels=128),
        ),
        train_cfg=dict(
            rpn_proposal=dict(nms_pre=400, max_per_img=100),
            rcnn=dict(sampler=dict(num=64)),
        ),
        test_cfg=dict(rpn=dict(nms_pre=400, max_per_img=100)),
    ),
    train_dataloader=dict(
        batch_size=16,
        num_workers=1,
        dataset=dict(
            scenes,
            ann_file='annotations/train.json',
            data_prefix=dict(img='train/'),
            pipeline=[*_base_.load, dict(type='RandomFlip', prob=0.5), _base_.pack],
        ),
    ),
    val_dataloader=dict(batch_size=16, num_workers=1, dataset=val_scenes),
    test_dataloader=dict(batch_size=16, num_workers=1, dataset=test_scenes),
    val_evaluator=[dict(_base_.coco_metric, ann_file=f'{data_root}annotations/val.json')],
    test_evaluator=[dict(_base_.coco_metric, ann_file=f'{data_root}annotations/test.json')],
)

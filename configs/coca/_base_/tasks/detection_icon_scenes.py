# Detection of icons pasted on textured backgrounds, as detection_coco.py, with fewer channels and
# regions, for 2 cores. A drawing is 36 to 88 px large, four to eleven patches: two scales do, each
# with two sizes of anchors, of 32 to 90 px, and regions of 56 px and more are read from the coarser
# map. To choose by: val, the drawings of two designers; test has those of two others. Data:
# tools/dataset_converters/icon_scenes.py --out data/icon_scenes (and before it icons.py).
_base_ = 'detection_coco.py'
# Of its manifest.json; the ten new_classes there are in no training scene.
classes = [
    'calendar', 'camera', 'home', 'share', 'bookmark', 'cloud', 'book', 'filter', 'download',
    'shield', 'phone', 'bell', 'moon', 'play', 'pause', 'user', 'folder', 'search', 'database',
    'trophy'
]  # yapf: disable
data_root = 'data/icon_scenes/'
channels = 64  # of the pyramid and the heads

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
        data_preprocessor=dict(pad_size_divisor=8),
        backbone=dict(window_size=0, drop_path_rate=0.0),
        neck=dict(scales=(2, 1), num_outs=2, out_channels=channels),
        rpn_head=dict(
            num_convs=1,
            anchor_generator=dict(scales=None, octave_base_scale=8, scales_per_octave=2),
        ),
        roi_head=dict(
            bbox_roi_extractor=dict(finest_scale=28),
            mask_roi_extractor=dict(finest_scale=28),
            bbox_head=dict(
                num_classes=len(classes),
                conv_out_channels=channels,
                fc_out_channels=256,
            ),
            mask_head=dict(num_classes=len(classes), conv_out_channels=channels),
        ),
        train_cfg=dict(
            rpn_proposal=dict(nms_pre=400, max_per_img=100),
            rcnn=dict(sampler=dict(num=32, pos_fraction=0.5)),
        ),
        test_cfg=dict(
            rpn=dict(nms_pre=400, max_per_img=100),
            rcnn=dict(max_per_img=20),
        ),
    ),
    # A worker would take one of two cores from the steps, and scenes load in milliseconds.
    train_dataloader=dict(
        batch_size=8,
        num_workers=0,
        persistent_workers=False,
        dataset=dict(
            scenes,
            ann_file='annotations/train.json',
            data_prefix=dict(img='train/'),
            pipeline=[*_base_.load, dict(type='RandomFlip', prob=0.5), _base_.pack],
        ),
    ),
    val_dataloader=dict(batch_size=16, num_workers=0, dataset=val_scenes),
    test_dataloader=dict(batch_size=16, num_workers=0, dataset=test_scenes),
    val_evaluator=[dict(_base_.coco_metric, ann_file=f'{data_root}annotations/val.json')],
    test_evaluator=[dict(_base_.coco_metric, ann_file=f'{data_root}annotations/test.json')],
)

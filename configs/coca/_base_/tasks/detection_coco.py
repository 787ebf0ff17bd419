# Mask R-CNN on COCO in ViTDet's form (arXiv 2203.16527, section 3 and appendix A.2): the encoder's
# last map, a simple pyramid of it, two hidden convolutions in the RPN, four and a linear layer in
# the box head, LayerNorm in the pyramid and in the box and mask heads (mmdet's RPN has no place for
# it); images of 1024 px, scaled at random from 0.1 to 2. What is not said here is mmdet's own Mask
# R-CNN. ViTDet's figures are of other encoders (MAE, Base: 51.6 box AP, 45.9 mask AP); of CoCa the
# paper has none. Data: data/coco as mmdet has it.
_base_ = []
from mmcoca.mmdet_configs import config_of_mmdet


def mask_rcnn(part):
    return config_of_mmdet('mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py').model[part]


norm = dict(type='mmpretrain.LN2d')
size = (1024, 1024)
pack = dict(type='PackDetInputs')
load = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
]
detector = dict(
    _keep_=['backbone', 'data_preprocessor'],
    type='MaskRCNN',
    data_preprocessor=dict(
        _keep_=['mean', 'std'],
        type='DetDataPreprocessor',
        bgr_to_rgb=True,
        pad_mask=True,
        pad_size_divisor=32,
    ),
    # fit_detector adds the layers that attend to the whole image. The model's patch size stays,
    # for CoCa-Base 18 where ViTDet has 16, and so do its position embeddings, interpolated.
    backbone=dict(out_type='featmap', window_size=14, drop_path_rate=0.1),
    neck=dict(type='mmcoca.SimpleFeaturePyramid'),
    rpn_head=dict(mask_rcnn('rpn_head'), num_convs=2),
    roi_head=dict(
        mask_rcnn('roi_head'),
        bbox_head=dict(
            mask_rcnn('roi_head').bbox_head,
            type='Shared4Conv1FCBBoxHead',
            conv_out_channels=256,
            norm_cfg=norm,
        ),
        mask_head=dict(mask_rcnn('roi_head').mask_head, norm_cfg=norm),
    ),
    train_cfg=mask_rcnn('train_cfg'),
    test_cfg=mask_rcnn('test_cfg'),
)
resize = [
    dict(
        type='RandomResize',
        scale=size,
        ratio_range=(0.1, 2.0),
        keep_ratio=True,
    ),
    dict(type='RandomCrop', crop_type='absolute', crop_size=size, allow_negative_crop=True),
    dict(type='FilterAnnotations', min_gt_bbox_wh=(1e-2, 1e-2)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='Pad', size=size),
]
data_root = 'data/coco/'
coco = dict(type='CocoDataset', data_root=data_root)
coco_val = dict(
    _delete_=True,
    batch_size=1,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        coco,
        ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017/'),
        test_mode=True,
        pipeline=[
            load[0],
            dict(type='Resize', scale=size, keep_ratio=True),
            load[1],
            dict(
                type='PackDetInputs',
                meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
            ),
        ],
    ),
)
coco_metric = dict(
    type='CocoMetric',
    ann_file=f'{data_root}annotations/instances_val2017.json',
    metric=['bbox', 'segm'],
)
task = dict(
    default_scope='mmdet',
    model=detector,
    train_dataloader=dict(
        _delete_=True,
        batch_size=4,
        num_workers=4,
        persistent_workers=True,
        sampler=dict(type='InfiniteSampler'),
        dataset=dict(
            coco,
            ann_file='annotations/instances_train2017.json',
            data_prefix=dict(img='train2017/'),
            filter_cfg=dict(filter_empty_gt=True, min_size=32),
            pipeline=[*load, *resize, pack],
        ),
    ),
    val_dataloader=coco_val,
    test_dataloader=coco_val,
    val_evaluator=[coco_metric],
    test_evaluator=[coco_metric],
    default_hooks=dict(visualization=dict(_delete_=True, type='DetVisualizationHook')),
    visualizer=dict(type='DetLocalVisualizer', name='visualizer'),
)

# Kinetics-400 by the frozen encoder: it encodes every frame, and a new pooler of one query reads
# all frames' tokens (paper section 3.3): CoCa (2B) 88.0 % top-1; of Base the paper has no figure.
# Its recipe: batch 128 (8 processes of 16), label smoothing 0.1, no weight decay, no RandAugment,
# average of weights 0.9999, a warm-up of 1,000 steps. Ours: 16 frames, 288 px, crops and flips.
# Data, as mmaction2 lays it out: data/kinetics400/videos_{train,val}/<class>/*.mp4 (or folders of
# frames), and kinetics400_{train,val}_list_videos.txt with lines "<class>/<name>.mp4 <number>". For
# folders of your own classes leave ann_file out and set data_root and num_classes, and with less
# than five classes topk=1 of both evaluators.
_base_ = '../coca_base_finetune.py'
num_frames = 16

model = dict(
    _delete_=True,
    type='mmcoca.FrozenEncoderClassifier',
    data_preprocessor=dict(
        _base_.model.data_preprocessor,
        type='ClsDataPreprocessor',
        to_rgb=False,  # video frames are read as RGB
    ),
    backbone=dict(_base_.model.backbone, type='mmcoca.FrameEncoder'),
    neck=dict(
        type='mmcoca.RecognitionPooler',
        dims=_base_.dims,
        memory_dims=_base_.dims,
        num_heads=_base_.num_heads,
    ),
    head=dict(
        type='LinearClsHead',
        num_classes=400,
        in_channels=_base_.dims,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1),
    ),
)
train_pipeline = [
    dict(type='mmcoca.LoadVideoFrames', num_frames=num_frames, random_frames=True),
    dict(
        type='mmcoca.ForEachFrame',
        transforms=[
            _base_.train_pipeline[1],
            dict(type='RandomFlip', prob=0.5),
        ],
    ),
    dict(type='PackInputs', meta_keys=['video_path']),
]
test_pipeline = [
    dict(type='mmcoca.LoadVideoFrames', num_frames=num_frames),
    dict(type='mmcoca.ForEachFrame', transforms=[_base_.test_pipeline[1]]),
    dict(type='PackInputs', meta_keys=['video_path']),
]
kinetics = dict(type='mmcoca.VideoDataset', data_root='data/kinetics400')
train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        kinetics,
        _delete_=True,
        ann_file='kinetics400_train_list_videos.txt',
        data_prefix='videos_train',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=16,
    dataset=dict(
        kinetics,
        _delete_=True,
        ann_file='kinetics400_val_list_videos.txt',
        data_prefix='videos_val',
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='Accuracy', topk=(1, 5))]
test_evaluator = val_evaluator

optim_wrapper = dict(optimizer=dict(lr=5e-4, weight_decay=0.0))
train_cfg = dict(max_iters=120_000)
auto_scale_lr = dict(base_batch_size=128)
custom_hooks = [dict(type='EMAHook', momentum=1e-4)]

# Kinetics-400 by the frozen encoder: it encodes every frame, and a new pooler of one query reads
# all frames' tokens (paper section 3.3): CoCa (2B) 88.0 % top-1; of Base the paper has no figure.
# Label smoothing 0.1 without RandAugment is the paper's. Ours: 16 frames, crops and flips.
# Data, as mmaction2 lays it out: data/kinetics400/videos_{train,val}/<class>/*.mp4 (or folders of
# frames), and kinetics400_{train,val}_list_videos.txt with lines "<class>/<name>.mp4 <number>". For
# folders of your own classes leave ann_file out and set data_root and num_classes, and with less
# than five classes topk=1 of both evaluators.
num_frames = 16

kinetics = dict(type='mmcoca.VideoDataset', data_root='data/kinetics400')
crop_and_flip = ['image.train', dict(type='RandomFlip', prob=0.5)]
pack = dict(type='PackInputs', meta_keys=['video_path'])
kinetics_val = dict(
    dataset=dict(
        kinetics,
        ann_file='kinetics400_val_list_videos.txt',
        data_prefix='videos_val',
        test_mode=True,
        pipeline=[
            dict(type='mmcoca.LoadVideoFrames', num_frames=num_frames),
            dict(type='mmcoca.ForEachFrame', transforms=['image.test']),
            pack,
        ],
    )
)
task = dict(
    model=dict(
        _keep_=['data_preprocessor', 'backbone'],
        type='mmcoca.FrozenEncoderClassifier',
        data_preprocessor=dict(
            type='ClsDataPreprocessor',
            to_rgb=False,  # video frames are read as RGB
        ),
        backbone=dict(type='mmcoca.FrameEncoder'),
        neck=dict(type='mmcoca.RecognitionPooler'),
        head=dict(
            type='LinearClsHead',
            num_classes=400,
            loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1),
        ),
    ),
    train_dataloader=dict(
        dataset=dict(
            kinetics,
            ann_file='kinetics400_train_list_videos.txt',
            data_prefix='videos_train',
            pipeline=[
                dict(type='mmcoca.LoadVideoFrames', num_frames=num_frames, random_frames=True),
                dict(type='mmcoca.ForEachFrame', transforms=crop_and_flip),
                pack,
            ],
        )
    ),
    val_dataloader=kinetics_val,
    test_dataloader=kinetics_val,
    val_evaluator=[dict(type='Accuracy', topk=(1, 5))],
    test_evaluator=[dict(type='Accuracy', topk=(1, 5))],
)

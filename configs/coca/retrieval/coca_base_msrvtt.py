# Zero-shot retrieval of videos and sentences on the full test split of MSR-VTT, 2,990 videos with
# 20 sentences each, by the mean of 16 frames' embeddings (paper section 4.2.2, at 2.1B parameters:
# text to video R@1/5/10 30.0/52.4/61.6, video to text 49.9/73.4/81.4; that it is the full split is
# our reading). Data: data/msrvtt/videos/<video_id>.mp4 and data/msrvtt/MSRVTT_data.json.
_base_ = '../coca_base.py'

model = dict(
    type='mmcoca.CoCaForVideoRetrieval',
    data_preprocessor=dict(to_rgb=False),  # video frames are read as RGB
)
test_dataloader = dict(
    batch_size=8,
    dataset=dict(
        _delete_=True,
        type='mmcoca.MSRVTT',
        data_root='data/msrvtt',
        ann_file='MSRVTT_data.json',
        data_prefix=dict(img_path='videos'),
        split='test',
        test_mode=True,
        pipeline=[
            dict(type='mmcoca.LoadVideoFrames', num_frames=16),
            dict(type='mmcoca.ForEachFrame', transforms=[_base_.test_pipeline[1]]),
            _base_.test_pipeline[2],
        ],
    ),
)
val_dataloader = test_dataloader
test_evaluator = [dict(type='mmcoca.RetrievalMetric')]
val_evaluator = test_evaluator

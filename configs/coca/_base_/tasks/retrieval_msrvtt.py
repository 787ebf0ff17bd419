# Zero-shot retrieval of videos and sentences on the full test split of MSR-VTT, 2,990 videos with
# 20 sentences each, by the mean of 16 frames' embeddings (paper section 4.2.2, at 2.1B parameters:
# text to video R@1/5/10 30.0/52.4/61.6, video to text 49.9/73.4/81.4; that it is the full split is
# our reading). Data: data/msrvtt/videos/<video_id>.mp4 and data/msrvtt/MSRVTT_data.json.
pack = dict(
    type='PackInputs',
    algorithm_keys=['gt_caption', 'text'],  # text: of mmpretrain's retrieval inferencers
    meta_keys=['image_id', 'img_path'],
)
msrvtt_test = dict(
    batch_size=8,
    dataset=dict(
        type='mmcoca.MSRVTT',
        data_root='data/msrvtt',
        ann_file='MSRVTT_data.json',
        data_prefix=dict(img_path='videos'),
        split='test',
        test_mode=True,
        pipeline=[
            dict(type='mmcoca.LoadVideoFrames', num_frames=16),
            dict(type='mmcoca.ForEachFrame', transforms=['image.test']),
            pack,
        ],
    ),
)
recalls = [dict(type='mmcoca.RetrievalMetric')]
task = dict(
    model=dict(
        type='mmcoca.CoCaForVideoRetrieval',
        data_preprocessor=dict(to_rgb=False),  # video frames are read as RGB
    ),
    test_dataloader=msrvtt_test,
    val_dataloader=msrvtt_test,
    test_evaluator=recalls,
    val_evaluator=recalls,
)

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Video recognition configs, on clips of drawings that move, laid out as Kinetics-400."""

import shutil

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpretrain.registry import DATASETS, MODELS
from small_tasks import CONFIGS, MODELS_OF_TASKS, evaluate, load_small, train_small
from torch.utils.data import DataLoader

from mmcoca.command_line import user_errors
from mmcoca.datasets import (
    AnnotationError,
    ForEachFrame,
    LoadVideoFrames,
    UnreadableVideoError,
    VideoDataset,
)
from mmcoca.models import CoCaViT, FrameEncoder
from mmcoca.weights import load_safely

NUM_CLASSES = 4
NUM_FRAMES = 4


def write_video(path, frames):
    """A file of the ending's usual codec, or without an ending a folder of frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.suffix:
        path.mkdir()
        for number, frame in enumerate(frames, start=1):
            assert cv2.imwrite(str(path / f'img_{number}.png'), frame)
        return
    codec = cv2.VideoWriter_fourcc(*('mp4v' if path.suffix == '.mp4' else 'MJPG'))
    writer = cv2.VideoWriter(str(path), codec, 10, frames[0].shape[1::-1])
    for frame in frames:
        writer.write(frame)
    writer.release()


def grey_frames(count):
    """Frame i is 10 * i."""
    return [np.full((32, 48, 3), 10 * i, np.uint8) for i in range(count)]


def loaded_numbers(path, num_frames, **options):
    """Which of the grey frames were loaded."""
    results = LoadVideoFrames(num_frames, **options).transform(dict(video_path=str(path)))
    assert results['img_shape'] == results['ori_shape'] == (32, 48)
    return [round(frame.mean() / 10) for frame in results['img']]


@pytest.fixture(scope='module')
def kinetics(drawings, tmp_path_factory):
    """Four classes of drawings that move up or down, in files and in folders of frames."""
    root = tmp_path_factory.mktemp('kinetics400')
    for part, names in [('train', ['one.mp4', 'two.avi', 'three']), ('val', ['four.mp4', 'five'])]:
        lines = []
        for label, (path, word) in enumerate(drawings[:NUM_CLASSES]):
            image = cv2.resize(cv2.imread(str(path)), (32, 32), interpolation=cv2.INTER_AREA)
            for name, step in zip(names, (0.5, -0.5, 0.25)):
                frames = [np.roll(image, round(step * i), axis=0) for i in range(12)]
                write_video(root / f'videos_{part}' / f'a {word}' / name, frames)
                lines.append(f'a {word}/{name} {label}')
        (root / f'kinetics400_{part}_list_videos.txt').write_text('\n'.join(lines))
    return root


@pytest.fixture(scope='module')
def pretrained(emoji_data, tmp_path_factory):
    """A folder with the checkpoint of each small model, as pretraining starts from it."""
    folder = tmp_path_factory.mktemp('pretrained')
    shutil.copy(emoji_data / 'tokenizer.json', folder)
    for name in MODELS_OF_TASKS:
        cfg = load_small(f'{name}.py', folder)
        torch.manual_seed(0)
        model = MODELS.build(cfg.model)
        model.init_weights()
        torch.save(dict(state_dict=model.state_dict()), folder / f'{name}.pth')
    return folder


def load(task, folder, kinetics, pretrained, model='coca_base'):
    """A small config of the task; its average of weights is made as short as its training."""
    name = f'video/{model}_{task}_kinetics400.py'
    cfg = load_small(name, folder, steps=40, batch_size=6)
    cfg.load_from = str(pretrained / f'{model}.pth')
    cfg.model.head.num_classes = NUM_CLASSES
    cfg.custom_hooks[0].momentum = 0.1
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = str(kinetics)
        loader.dataset.pipeline[0].num_frames = NUM_FRAMES
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        evaluator[0].topk = (1, 2)
    return cfg


@pytest.mark.parametrize('model', MODELS_OF_TASKS)
@pytest.mark.parametrize('task', ['frozen', 'finetune'])
def test_training(task, model, folder, kinetics, pretrained):
    """It learns from the pretrained encoder, which stays as it is where it is frozen."""
    cfg = load(task, folder, kinetics, pretrained, model)
    start = cfg.load_from
    checkpoint = train_small(cfg)
    metrics = evaluate(cfg, checkpoint)
    assert metrics['accuracy/top1'] == 100 and metrics['accuracy/top2'] == 100
    before, after = (load_safely(path)['state_dict'] for path in (start, checkpoint))
    encoder = [name for name in after if name.startswith('backbone.')]
    assert set(encoder) == {name for name in before if name.startswith('backbone.')}
    equal = [torch.equal(before[name], after[name]) for name in encoder]
    assert all(equal) if task == 'frozen' else not any(equal)


def test_class_folders_in_place_of_lists(folder, kinetics, pretrained):
    """As the config's comment says, with folders of one's own."""
    cfg = load('frozen', folder, kinetics, pretrained)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        del loader.dataset.ann_file
    assert evaluate(cfg, train_small(cfg))['accuracy/top1'] == 100


def test_the_recipes_are_the_papers():
    for task in ('frozen', 'finetune'):
        cfg = Config.fromfile(CONFIGS / f'video/coca_base_{task}_kinetics400.py')
        optimizer = cfg.optim_wrapper.optimizer
        assert (optimizer.type, optimizer.lr,
                optimizer.weight_decay) == ('mmcoca.Adafactor', 5e-4, 0)
        assert cfg.optim_wrapper.clip_grad.max_norm == 1.0 and cfg.train_cfg.max_iters == 120_000
        assert 8 * cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == 128
        assert [schedule.type
                for schedule in cfg.param_scheduler] == ['LinearLR', 'CosineAnnealingLR']
        assert cfg.param_scheduler[0].end == 1000
        assert cfg.model.head.loss.label_smooth_val == 0.1
        assert 1 - cfg.custom_hooks[0].momentum == 0.9999


def test_pipelines(kinetics):
    """The whole pipelines, which the small configs cut short."""
    cfg = Config.fromfile(CONFIGS / 'video/coca_base_frozen_kinetics400.py')
    for part in ('train', 'val'):
        dataset = cfg[f'{part}_dataloader'].dataset
        dataset.data_root = str(kinetics)
        sample = DATASETS.build(dataset)[0]
        assert sample['inputs'].shape == (16, 3, 288, 288)
        assert sample['inputs'].dtype == torch.uint8
        assert sample['data_samples'].gt_label.tolist() == [0]
        assert 'videos_' + part in sample['data_samples'].video_path


@pytest.mark.parametrize('name', ['video.mp4', 'video.avi', 'frames'])
def test_frames_are_spread_over_the_video(tmp_path, name):
    """Middle of each segment in testing, any place of it in training, repeats where too few."""
    write_video(tmp_path / name, grey_frames(20))
    assert loaded_numbers(tmp_path / name, 5) == [2, 6, 10, 14, 18]
    assert loaded_numbers(tmp_path / name, 3) == [3, 10, 16]
    np.random.seed(0)
    drawn = np.array([loaded_numbers(tmp_path / name, 5, random_frames=True) for _ in range(40)])
    assert (drawn // 4 == np.arange(5)).all()
    assert set(drawn.flatten()) == set(range(20))
    write_video(tmp_path / f'short_{name}', grey_frames(2))
    assert loaded_numbers(tmp_path / f'short_{name}', 4) == [0, 0, 1, 1]


def test_files_that_promise_no_or_too_many_frames(tmp_path):
    """A file cut off while it was copied, and a stream that does not tell its length."""
    write_video(tmp_path / 'video.avi', grey_frames(20))
    content = (tmp_path / 'video.avi').read_bytes()
    (tmp_path / 'cut.avi').write_bytes(content[:len(content) * 2 // 3])
    numbers = loaded_numbers(tmp_path / 'cut.avi', 3)
    assert 0 <= numbers[0] < numbers[1] < numbers[2] < 20 * 2 / 3
    write_video(tmp_path / 'stream.mjpeg', grey_frames(20))
    assert cv2.VideoCapture(str(tmp_path / 'stream.mjpeg')).get(cv2.CAP_PROP_FRAME_COUNT) < 1
    assert loaded_numbers(tmp_path / 'stream.mjpeg', 5) == [2, 6, 10, 14, 18]


def test_frames_are_rgb(tmp_path):
    red = np.zeros((32, 48, 3), np.uint8)
    red[..., 2] = 255  # of OpenCV's BGR
    for name in ('video.mp4', 'frames'):
        write_video(tmp_path / name, [red] * 3)
        for frame in LoadVideoFrames(2).transform(dict(video_path=str(tmp_path / name)))['img']:
            assert frame[..., 0].min() > 200 and frame[..., 1:].max() < 50


def test_unreadable_videos(tmp_path):
    (tmp_path / 'text.mp4').write_text('not a video')
    (tmp_path / 'empty').mkdir()
    write_video(tmp_path / 'sizes', [np.zeros((8, 8, 3)), np.zeros((8, 9, 3))])
    write_video(tmp_path / 'broken', grey_frames(2))
    (tmp_path / 'broken' / 'img_1.png').write_text('not an image')
    for name, message in [
        ('text.mp4', 'text.mp4: no video that OpenCV reads'),
        ('empty', 'empty: no frames in this folder'),
        ('sizes', 'sizes: the frames of a video have one size'),
        ('broken', 'img_1.png cannot be read'),
    ]:
        with pytest.raises(UnreadableVideoError, match=message):
            LoadVideoFrames(2).transform(dict(video_path=str(tmp_path / name)))


@pytest.mark.parametrize('num_workers', [0, 1])
def test_an_unreadable_video_is_one_line_at_the_command_line(num_workers, tmp_path):
    path = tmp_path / 'videos' / 'class' / 'text.mp4'
    path.parent.mkdir(parents=True)
    path.write_text('not a video')
    dataset = VideoDataset(
        data_root=str(tmp_path / 'videos'), pipeline=[dict(type='mmcoca.LoadVideoFrames')]
    )
    with pytest.raises(SystemExit) as stopped, user_errors():
        list(DataLoader(dataset, num_workers=num_workers))
    assert stopped.value.code == f'error: {path}: no video that OpenCV reads, or one without frames'


def test_one_crop_flip_and_colour_for_all_frames_of_a_clip():
    """Though they are drawn by numpy and by Python's own generator."""
    transform = ForEachFrame(
        [
            dict(type='RandomResizedCrop', scale=16),
            dict(type='RandomFlip', prob=0.5),
            dict(type='mmcoca.RandomColorMatrix'),
        ]
    )
    frame, other = np.random.RandomState(0).randint(256, size=(2, 40, 50, 3)).astype(np.uint8)
    clips = [transform.transform(dict(img=[frame, other, frame])) for _ in range(8)]
    for results in clips:
        clip = results['img']
        assert clip.shape == (3, 3, 16, 16)
        assert (clip[0] == clip[2]).all() and (clip[0] != clip[1]).any()
    assert len({results['img'].tobytes() for results in clips}) == 8
    assert {results['flip'] for results in clips} == {False, True}


def test_annotation_files(tmp_path):
    """Paths may hold spaces; what is wrong is told with its place."""
    for name in ('a b/one.mp4', 'a b/two'):
        write_video(tmp_path / 'videos' / name, grey_frames(2))
    options = dict(ann_file='list.txt', data_root=str(tmp_path), data_prefix='videos')

    def load_list(text):
        (tmp_path / 'list.txt').write_text(text)
        return VideoDataset(**options)

    items = load_list('a b/one.mp4 7\n\na b/two 0\n')
    assert [item['gt_label'] for item in items] == [7, 0]
    assert items[0]['video_path'] == str(tmp_path / 'videos' / 'a b' / 'one.mp4')
    for text, message in [
        ('a b/one.mp4 7\none.mp4', "list.txt line 2: 'one.mp4' is not a path and a class number"),
        ('a b/one.mp4 x', "list.txt line 1: 'a b/one.mp4 x' is not"),
        ('a b/one.mp4 1\nx.mp4 1\ny.mp4 2', '2 of 3 videos do not exist, first .*/x.mp4'),
        ('', 'list.txt: no videos'),
    ]:
        with pytest.raises(AnnotationError, match=message):
            load_list(text)


def test_class_folders(tmp_path):
    for name in ('run/one.MP4', 'jump/two', 'jump/three.avi'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).mkdir() if name == 'jump/two' else (tmp_path / name).touch()
    (tmp_path / 'jump' / 'readme.txt').touch()
    (tmp_path / 'jump' / '._one.mp4').touch()
    (tmp_path / '.notes').mkdir()
    videos = VideoDataset(data_root=str(tmp_path))
    assert videos.metainfo['classes'] == ('jump', 'run')
    assert [(item['video_path'].split('/')[-1], item['gt_label'])
            for item in videos] == [('three.avi', 0), ('two', 0), ('one.MP4', 1)]
    (tmp_path / 'none').mkdir()
    with pytest.raises(AnnotationError, match='none: no videos'):
        VideoDataset(data_root=str(tmp_path / 'none'))
    with pytest.raises(FileNotFoundError, match='nowhere'):
        VideoDataset(data_root=str(tmp_path / 'nowhere'))


def test_frame_encoder_is_the_image_encoder_on_each_frame():
    arch = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)
    sizes = dict(arch=arch, img_size=16, patch_size=8)
    images, frames = CoCaViT(**sizes), FrameEncoder(**sizes)
    images.init_weights()
    frames.load_state_dict(images.state_dict())
    clips = torch.randn(2, 3, 3, 16, 16)
    tokens, = frames(clips)
    assert tokens.shape == (2, 3 * 4, 16)
    for clip, of_clip in zip(clips, tokens):
        expected = torch.cat([images(frame[None])[-1][0] for frame in clip])
        torch.testing.assert_close(of_clip, expected)
    with pytest.raises(ValueError, match="out_type is 'raw', not 'featmap'"):
        FrameEncoder(**sizes, out_type='featmap')


def test_clips_are_normalised_by_channel():
    """Three frames, which must not be taken for three channels."""
    cfg = Config.fromfile(CONFIGS / 'video/coca_base_frozen_kinetics400.py')
    preprocessor = MODELS.build(cfg.model.data_preprocessor)
    clips = torch.randint(256, (2, 3, 3, 4, 4))
    normalised = preprocessor(dict(inputs=clips))['inputs']
    for channel in range(3):
        mean, std = (cfg.model.data_preprocessor[name][channel] for name in ('mean', 'std'))
        torch.testing.assert_close(normalised[:, :, channel], (clips[:, :, channel] - mean) / std)

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The encoder in detectors of mmdet, on scenes of a few shapes."""

import io
import json
import sys
from pathlib import Path

import pytest
import torch
from in_process import fresh_managers
from mmengine.config import Config
from PIL import Image, ImageDraw
from small_tasks import CONFIGS, evaluate, train_small

from mmcoca.command_line import build_training
from mmcoca.weights import read_state_dict

pytest.importorskip('mmdet', reason='mmdet is not installed (pip install -e ".[detection]")')
try:
    import mmcv.ops  # noqa: F401
except ImportError:
    NO_OPERATORS = True
else:
    NO_OPERATORS = False
needs_operators = pytest.mark.skipif(
    NO_OPERATORS, reason="mmcv's operators are not compiled (docs/tasks/detection.md says how)"
)

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools' / 'dataset_converters'))

import icon_scenes  # noqa: E402
from icon_scene_drawing import Job, draw_scene  # noqa: E402

SIZE = 96
SHAPES = {  # by classes of the config
    'moon': lambda draw: draw.ellipse((8, 8, 56, 56), fill='black'),
    'play': lambda draw: draw.polygon([(8, 8), (56, 32), (8, 56)], fill='black'),
    'folder': lambda draw: draw.rectangle((8, 16, 56, 48), outline='black', width=6),
}


def shape(draw_shape):
    image = Image.new('RGB', (64, 64), 'white')
    draw_shape(ImageDraw.Draw(image))
    data = io.BytesIO()
    image.save(data, 'PNG')
    return data.getvalue()


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    """As icon_scenes.py lays them out: a shape in each of 64 scenes to train on, in 24 others."""
    root = tmp_path_factory.mktemp('scenes')
    classes = load('coca_small_icons_scenes').classes
    pictures = [(shape(draw), classes.index(name) + 1) for name, draw in SHAPES.items()]
    for seed, (split, number) in enumerate(dict(train=64, val=8, test=24).items()):
        drawn = [draw_scene(Job([pictures[i % 3]], (seed, i), SIZE)) for i in range(number)]
        (root / split).mkdir()
        for i, (jpeg, _) in enumerate(drawn):
            (root / split / f'{i:05}.jpg').write_bytes(jpeg)
        (root / 'annotations').mkdir(exist_ok=True)
        content = icon_scenes.coco(drawn, [*classes, 'new'], SIZE)
        (root / 'annotations' / f'{split}.json').write_text(json.dumps(content))
    return root


def load(name):
    return Config.fromfile(CONFIGS / 'detection' / f'{name}.py')


def load_small_detector(name, scenes, folder, steps):
    """A config over the scenes, with few channels and steps."""
    cfg = load(name)
    cfg.work_dir = str(folder)
    for part in ('train', 'val', 'test'):
        cfg[f'{part}_dataloader'].dataset.data_root = str(scenes)
        cfg[f'{part}_dataloader'].update(batch_size=8, num_workers=0, persistent_workers=False)
        if part != 'train':
            file = str(scenes / 'annotations' / f'{part}.json')
            cfg[f'{part}_evaluator'][0].ann_file = file
    cfg.train_cfg.update(max_iters=steps, val_interval=steps)
    cfg.default_hooks.checkpoint.interval = steps
    return cfg


def test_sizes_follow_from_the_encoder():
    """ViTDet's layers that see the whole image, strides by the patch, the width of the encoder."""
    model = load('coca_base_coco').model
    assert model.backbone.global_layers == [2, 5, 8, 11]
    assert model.neck.in_channels == 768 and model.rpn_head.in_channels == 256
    assert model.rpn_head.anchor_generator.strides == [4.5, 9, 18, 36, 72]
    assert model.roi_head.bbox_roi_extractor.featmap_strides == [4.5, 9, 18, 36]
    model = load('coca_small_icons_scenes').model
    assert model.neck.in_channels == 192
    assert model.rpn_head.anchor_generator.strides == [4, 8]
    for part in ('bbox_roi_extractor', 'mask_roi_extractor'):
        assert model.roi_head[part].featmap_strides == [4, 8]
        assert model.roi_head[part].out_channels == 64
    assert model.roi_head.bbox_head.in_channels == model.roi_head.mask_head.in_channels == 64


@needs_operators
def test_shapes_are_found_and_the_encoder_was_loaded(scenes, tmp_path):
    """From training by the tool's runner to COCO's figures of the last checkpoint."""
    cfg = load_small_detector('coca_small_icons_scenes', scenes, tmp_path, steps=40)
    cfg.param_scheduler[0].end = 5
    with fresh_managers():
        runner = build_training(cfg.copy())
        runner.load_or_resume()
        weights = read_state_dict(cfg.load_from)
        for name, value in runner.model.backbone.state_dict().items():
            torch.testing.assert_close(value, weights[f'backbone.{name}'].float())
    metrics = evaluate(cfg, train_small(cfg))
    assert metrics['coco/bbox_mAP_50'] > 0.5 and metrics['coco/segm_mAP_50'] > 0.5


@needs_operators
def test_the_paper_sized_recipe_runs_with_smaller_layers(scenes, tmp_path):
    """Window attention, fractional strides and the whole pyramid of coca_base_coco.py."""
    cfg = load_small_detector('coca_base_coco', scenes, tmp_path, steps=2)
    arch = dict(embed_dims=64, num_layers=4, num_heads=4, feedforward_channels=128)
    cfg.model.backbone.update(arch=arch, window_size=2, global_layers=[1, 3])
    cfg.model.neck.in_channels = 64
    cfg.model.roi_head.bbox_head.num_classes = cfg.model.roi_head.mask_head.num_classes = 3
    # Without regions mmdet has no metrics, and after two steps none is probable.
    cfg.model.test_cfg.rpn.max_per_img = 50
    cfg.model.test_cfg.rcnn.update(score_thr=0.0, max_per_img=10)
    cfg.load_from = None
    for part, folder in dict(train='train', val='val', test='test').items():
        dataset = cfg[f'{part}_dataloader'].dataset
        dataset.update(ann_file=f'annotations/{part}.json', data_prefix=dict(img=folder))
        dataset.metainfo = dict(classes=[*SHAPES])
        for step in dataset.pipeline:  # 1,024 px would take a minute
            for key in ('scale', 'crop_size', 'size'):
                if key in step:
                    step[key] = (SIZE, SIZE)
    metrics = evaluate(cfg, train_small(cfg))
    assert {'coco/bbox_mAP', 'coco/segm_mAP'} <= set(metrics)

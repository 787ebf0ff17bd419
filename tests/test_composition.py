# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Tasks, models and schedules that know nothing of each other, joined by configs."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from in_process import fresh_managers
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

from mmcoca.command_line import build_training
from mmcoca.composition import PIPELINES
from mmcoca.errors import SettingError

CONFIGS = Path(__file__).parents[1] / 'configs' / 'coca'
# Detectors, which need mmdet, are in test_detection.py.
TASKS = sorted(
    path.stem
    for path in (CONFIGS / '_base_' / 'tasks').glob('*.py')
    if not path.stem.startswith('detection')
)
JOIN = 'from mmcoca.composition import join\njoin(_base_)\n'
# The longest names first, that 'coca_base_576px' is not taken for 'coca_base'.
MODELS_FOLDER = CONFIGS / '_base_' / 'models'
MODEL_NAMES = sorted((path.stem for path in MODELS_FOLDER.glob('[co]*_*.py')), key=len)
MODEL_NAMES.reverse()
SIZED = {'Resize': 'scale', 'RandomResizedCrop': 'scale', 'torchvision/CenterCrop': 'size'}


def joining_configs():
    """Names of the configs that join a task with a model."""
    for path in sorted(CONFIGS.glob('*/*.py')):
        is_detector = path.parent.name == 'detection'
        if not is_detector and '_base_' not in path.parts and '/tasks/' in path.read_text():
            yield str(path.relative_to(CONFIGS))


NAMES = list(joining_configs())


def write(folder, **files):
    """Config files -> the config of the last."""
    for name, text in files.items():
        (folder / f'{name}.py').write_text(text)
    return Config.fromfile(folder / f'{name}.py')


MODEL = """
model = dict(type='Model', encoder=dict(width=8, depth=2), text=dict(width=4))
image = dict(load=[dict(type='Load')], train=[dict(type='Crop', size=8)], test=[dict(type='Fit')])
"""
DATA = """
train_pipeline = ['image.load', 'image.train', dict(type='Pack')]
test_pipeline = ['image.load', 'image.test', dict(type='Pack')]
train_dataloader = dict(batch_size=2, dataset=dict(type='Pairs', pipeline=train_pipeline))
test_dataloader = dict(batch_size=2, dataset=dict(type='Pairs', pipeline=test_pipeline))
"""


def test_a_task_changes_what_stands_beside_it(tmp_path):
    task = """
clips = dict(type='ForEachFrame', transforms=['image.test', dict(type='Flip')])
task = dict(
    model=dict(type='Other', _keep_=['encoder'], encoder=dict(depth=3), head=dict(classes=5)),
    train_dataloader=dict(
        dataset=dict(type='Clips', pipeline=['image.load', clips])
    ),
    new=dict(_delete_=True, a=1),
)
"""
    schedule = 'schedule = dict(train_dataloader=dict(batch_size=64))'
    bases = "_base_ = ['model.py', 'data.py', 'work.py', 'steps.py']\n"
    joining = bases + JOIN + 'model = dict(x=1)'
    cfg = write(tmp_path, model=MODEL, data=DATA, work=task, steps=schedule, joining=joining)
    assert cfg.model == dict(
        type='Other', encoder=dict(width=8, depth=3), head=dict(classes=5), x=1
    )
    frames = dict(type='ForEachFrame', transforms=[dict(type='Fit'), dict(type='Flip')])
    assert cfg.train_dataloader == dict(
        batch_size=64, dataset=dict(type='Clips', pipeline=[dict(type='Load'), frames])
    )
    pack = dict(type='Pack')
    assert cfg.test_dataloader.dataset.pipeline == [dict(type='Load'), dict(type='Fit'), pack]
    assert cfg.test_pipeline == cfg.test_dataloader.dataset.pipeline
    assert cfg.train_pipeline == cfg.train_dataloader.dataset.pipeline
    assert cfg.new == dict(a=1) and 'task' not in cfg and 'schedule' not in cfg


def test_steps_are_each_pipelines_own(tmp_path):
    """A change of one pipeline does not reach another."""
    joining = "_base_ = ['model.py', 'data.py']\n" + JOIN + '_base_.test_pipeline[0].x = 1'
    cfg = write(tmp_path, model=MODEL, data=DATA, joining=joining)
    assert cfg.test_dataloader.dataset.pipeline[0] == dict(type='Load', x=1)
    assert cfg.train_dataloader.dataset.pipeline[0] == dict(type='Load')


def test_a_step_that_the_model_does_not_have_is_named(tmp_path):
    task = "task = dict(test_dataloader=dict(dataset=dict(pipeline=['image.tset'])))"
    joining = "_base_ = ['model.py', 'data.py', 'work.py']\n" + JOIN
    with pytest.raises(SettingError, match="'image.tset': the model's `image` has load, train, te"):
        write(tmp_path, model=MODEL, data=DATA, work=task, joining=joining)


def model_of(name):
    """The model that a joining config's name begins with."""
    return next(model for model in MODEL_NAMES if Path(name).name.startswith(model))


def sizes_in(settings):
    """The sizes to which a config's pipelines bring images."""
    if isinstance(settings, dict):
        if settings.get('type') in SIZED:
            yield settings[SIZED[settings['type']]]
        settings = list(settings.values())
    if isinstance(settings, (list, tuple)):
        for value in settings:
            yield from sizes_in(value)


def test_every_task_has_its_models():
    """Those of our own data have the small models alone."""
    own = {
        f'{task}: {model}'
        for task in ('easy_vqa', 'frozen_topic_icons')
        for model in ('coca_tiny', 'coca_small_icons')
    }
    expected = own | {
        f'{task}: {model}'
        for task in TASKS if task not in ('easy_vqa', 'frozen_topic_icons')
        for model in MODEL_NAMES if model not in ('coca_base_576px', 'coca_small_icons') and (
            model not in ('coca_large', 'coca_2b') or task.split('_')[0] in
            ('zeroshot', 'retrieval', 'captioning')
        )
    }
    found = set()
    for name in NAMES:
        task = next(
            Path(base).stem
            for base in Config._get_base_files(str(CONFIGS / name))
            if '/tasks/' in base
        )
        found.add(f'{task}: {model_of(name)}')
    assert found == expected


@pytest.mark.parametrize('name', NAMES)
def test_what_the_model_says_holds_in_every_task(name, emoji_data):
    cfg = Config.fromfile(CONFIGS / name)
    base = Config.fromfile(CONFIGS / '_base_' / 'models' / f'{model_of(name)}.py')
    size = cfg.model.backbone.img_size
    assert 'easy_vqa' in name or size == base.model.backbone.img_size
    loaders = [cfg.get(f'{part}_dataloader') for part in ('train', 'val', 'test')]
    found = list(sizes_in([loader for loader in loaders if loader]))
    assert found and set(found) <= {size, (size, size)}
    if 'blind' not in name:
        for key in ('mean', 'std'):
            assert cfg.model.data_preprocessor[key] == base.model.data_preprocessor[key]
    if 'text' in cfg.model:
        assert 'easy_vqa' in name or cfg.model.tokenizer == base.model.tokenizer
        assert cfg.model.text.max_length == base.model.text.max_length
    assert "'image." not in str([*loaders, *(cfg.get(name) for name in PIPELINES)])
    # Heads take their widths from it.
    init_default_scope(cfg.default_scope)
    if 'vocab_file' in cfg.model.get('tokenizer', {}):
        cfg.model.tokenizer.vocab_file = str(emoji_data / 'tokenizer.json')
    if 'text' in cfg.model:  # a layer will do
        cfg.model.text.update(num_unimodal_layers=1, num_multimodal_layers=1)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    patches = (size // model.backbone.patch_embed.projection.stride[0])**2 \
        if 'stem' not in cfg.model.backbone else (size // cfg.model.backbone.patch_size)**2
    assert model.backbone.pos_embed.shape[1] == patches + model.backbone.num_extra_tokens
    if 'understanding_head' in cfg.model:
        assert model.understanding_head.pooler.queries.shape == (1, model.text.dims)
    if cfg.model.get('head'):
        width = getattr(model.neck, 'dims', model.backbone.embed_dims)
        assert model.head.fc.in_features == width


SMALL = """
_base_ = 'mmcoca::coca/_base_/models/coca_base.py'
dims = 192
num_heads = 3

model = dict(
    backbone=dict(arch='deit-tiny', img_size=96, patch_size=16),
    neck=dict(dims=dims, memory_dims=dims, num_heads=num_heads),
    text=dict(dims=dims, num_heads=num_heads, mlp_dims=4 * dims),
    contrastive_head=dict(dims=dims),
    captioning_head=dict(dims=dims),
)
image = _base_.image
image.load[0].reduce_to = image.train[0].scale = 96
image.test[0].scale = (96, 96)
"""
SPATIAL_REASONING = """
pack = dict(
    type='PackInputs', algorithm_keys=['question', 'gt_answer'], meta_keys=['img_path']
)
vsr = dict(
    type='VSR',
    data_root='vsr',
    data_prefix='images',
    pipeline=['image.load', 'image.test', pack],
)
task = dict(
    model=dict(
        type='mmcoca.CoCaForVQA',
        answers=['no', 'yes'],
        understanding_head=dict(
            type='mmcoca.UnderstandingHead',
            num_classes=2,
            loss=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=2),
        ),
    ),
    train_dataloader=dict(dataset=dict(ann_file='train.json', **vsr)),
    val_dataloader=dict(dataset=dict(ann_file='test.json', test_mode=True, **vsr)),
    test_dataloader=dict(dataset=dict(ann_file='test.json', test_mode=True, **vsr)),
    val_evaluator=[dict(type='VQAAcc')],
    test_evaluator=[dict(type='VQAAcc')],
)
"""
UNPLANNED = """
_base_ = [
    'small.py',
    'mmcoca::coca/_base_/datasets/image_text_pairs.py',
    'vsr.py',
    'mmcoca::coca/_base_/schedules/muon_tiny.py',
    'mmcoca::coca/_base_/schedules/counted_in_steps.py',
    'mmcoca::coca/_base_/default_runtime.py',
]
from mmcoca.composition import join

join(_base_)
"""


def test_a_task_and_a_model_that_nobody_planned_for(tmp_path, drawings, monkeypatch):
    """Spatial reasoning on VSR by a ViT-Ti, in a project of its own: it trains and is tested."""
    cfg = write(tmp_path, small=SMALL, vsr=SPATIAL_REASONING, joining=UNPLANNED)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'vsr' / 'images').mkdir(parents=True)
    rows = []
    for path, name in drawings[:4]:
        shutil.copy(path, tmp_path / 'vsr' / 'images' / path.name)
        for answer in (True, False):
            question = f'This is {"a" if answer else "no"} {name}.'
            rows.append(dict(image=path.name, question=question, answer=answer))
    for split in ('train', 'test'):
        (tmp_path / 'vsr' / f'{split}.json').write_text(json.dumps(rows))
    for name in ('num_unimodal_layers', 'num_multimodal_layers'):
        cfg.model.text[name] = 1
    cfg.model.backbone.arch = dict(
        embed_dims=192, num_layers=1, num_heads=3, feedforward_channels=192
    )
    cfg.train_dataloader.update(batch_size=8, num_workers=0, persistent_workers=False)
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.train_cfg = dict(by_epoch=False, max_iters=20)
    cfg.default_hooks.checkpoint.interval = 20
    cfg.work_dir = str(tmp_path / 'work_dir')
    with fresh_managers():
        runner = build_training(cfg)
        assert runner.model.understanding_head.pooler.queries.shape == (1, 192)
        runner.train()
        assert runner.test()['VQA/acc'] >= 75


OUTSIDE = """
_base_ = [
    'mmcoca::coca/_base_/models/open_clip_vit-b-p32.py',
    'mmcoca::coca/_base_/datasets/image_text_pairs.py',
    'mmcoca::coca/_base_/tasks/snli_ve.py',
    'mmcoca::coca/_base_/schedules/adafactor_cosine.py',
    'mmcoca::coca/_base_/default_runtime.py',
]
from mmcoca.composition import join

join(_base_)
"""


def test_a_project_outside_composes_a_task_with_a_model(tmp_path):
    """As the config here does that joins the two, but for its schedule."""
    found = write(tmp_path, snli_ve=OUTSIDE)
    ours = Config.fromfile(CONFIGS / 'snli_ve' / 'open_clip_vit-b-p32_snli_ve.py')
    for name in ('model', 'train_pipeline', 'val_dataloader', 'test_dataloader', 'test_evaluator'):
        assert found[name] == ours[name]
    assert '_scope_' not in str(found)

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Real trainings that the tests of hooks share."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner


@pytest.fixture
def small_config(repository: Path, emoji_data: Path) -> Config:
    """The narrow model's config, with a layer in its image encoder."""
    cfg = Config.fromfile(repository / 'tests' / 'coca_narrow_emoji.py')
    cfg.model.tokenizer.vocab_file = str(emoji_data / 'tokenizer.json')
    cfg.model.backbone.arch.num_layers = 1
    return cfg


@pytest.fixture
def runner_config(small_config: Config, emoji_data: Path, tmp_path: Path) -> Config:
    """The small recipe over 32 pairs of its own, for one epoch of 4 iterations."""
    cfg = small_config
    names = sorted((emoji_data / 'images' / 'noto').glob('*.png'))[:32]
    lines = ['image\tcaption']
    for i, path in enumerate(names):
        shutil.copy(path, tmp_path / path.name)
        lines.append(f'{path.name}\tcaption number {i}')
    (tmp_path / 'pairs.tsv').write_text('\n'.join(lines) + '\n')
    dataset = cfg.train_dataloader.dataset
    dataset.update(data_root=str(tmp_path), ann_file='pairs.tsv', data_prefix=dict(img_path=''))
    cfg.train_dataloader.update(batch_size=8, num_workers=0, persistent_workers=False)
    cfg.train_cfg.update(max_epochs=1, val_interval=2)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    cfg.default_hooks.logger.interval = 1
    cfg.default_hooks.unreadable_images.interval = 1
    cfg.work_dir = str(tmp_path / 'work')
    return cfg


@pytest.fixture
def start() -> Callable[[Config, str], Runner]:
    """A runner of a config, under a name that no other runner has."""

    def started(cfg: Config, name: str) -> Runner:
        cfg = cfg.copy()
        cfg.experiment_name = name
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            return Runner.from_cfg(cfg)

    return started


@pytest.fixture
def train(start: Callable[[Config, str], Runner]) -> Callable[[Config, str], Runner]:
    """Train as a config says -> the runner."""

    def trained(cfg: Config, name: str) -> Runner:
        runner = start(cfg, name)
        # `start` has taken its scope away again, in which wrappers of data sets are found.
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            runner.train()
        return runner

    return trained

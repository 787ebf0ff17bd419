# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import RepeatDataset
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS
from torch.utils.data import ConcatDataset, Subset, TensorDataset

from mmcoca.datasets import UnreadableImageError
from mmcoca.engine.unreadable_images_hook import counting_datasets


@pytest.fixture
def runner_config(tiny_config, emoji_data, tmp_path):
    """The tiny recipe over 32 pairs of its own, for one epoch of 4 iterations."""
    cfg = Config(tiny_config.to_dict())
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


def train(cfg, name):
    cfg.experiment_name = name
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        runner = Runner.from_cfg(cfg)
        runner.train()
    return runner


def log_of(runner):
    return '\n'.join(path.read_text() for path in Path(runner.log_dir).glob('*.log'))


def test_log_shows_losses_temperature_rate_throughput_and_eta(runner_config):
    runner = train(runner_config, 'test_log')
    lines = [line for line in log_of(runner).splitlines() if 'Epoch(train)' in line]
    assert len(lines) == 4
    for name in ('loss_contrastive', 'loss_captioning', 'temperature', 'lr', 'images_per_second'):
        assert re.search(rf'\b{name}: \d', lines[0]), name
    assert 'eta: 0:' in lines[0]
    scalars = runner.message_hub.log_scalars
    rate, time = scalars['train/images_per_second'].data[0], scalars['train/time'].data[0]
    # The same clock as MMEngine's, seen from another place in the iteration.
    assert np.median(rate * time) == pytest.approx(8, rel=0.3)


def test_unreadable_images_are_reported_or_stop_training(runner_config, tmp_path):
    broken = sorted(tmp_path.glob('*.png'))[5]
    broken.write_bytes(b'broken')
    assert cv2.imread(str(broken)) is None
    runner_config.train_dataloader.dataset.max_unreadable = 0.1
    runner = train(runner_config, 'test_report')
    assert f'1 of 32 images could not be read and were skipped: line 7: {broken}' in log_of(runner)
    runner_config.train_dataloader.dataset.max_unreadable = 0.01
    with pytest.raises(UnreadableImageError, match=broken.name):
        train(runner_config, 'test_stop')


WRAPPERS = {
    'repeat':
    lambda data: dict(type='RepeatDataset', times=2, dataset=data),
    'concat':
    lambda data: dict(type='ConcatDataset', datasets=[data, data]),
    'nested':
    lambda data:
    dict(type='RepeatDataset', times=1, dataset=dict(type='ConcatDataset', datasets=[data, data])),
    'folds':
    lambda data: dict(type='KFoldDataset', num_splits=32, fold=31, dataset=data),
}


@pytest.mark.parametrize('wrapper', WRAPPERS)
def test_unreadable_images_within_wrappers_of_data_sets(runner_config, tmp_path, wrapper):
    broken = sorted(tmp_path.glob('*.png'))[5]
    broken.write_bytes(b'broken')
    loader = runner_config.train_dataloader
    data = dict(loader.dataset, max_unreadable=0.1)
    loader.num_workers = 1
    loader.dataset = WRAPPERS[wrapper](data)
    log = log_of(train(runner_config, f'test_{wrapper}'))
    assert 'images could not be read and were skipped: line 7: ' + str(broken) in log
    loader.dataset = WRAPPERS[wrapper](dict(data, max_unreadable=0.01))
    with pytest.raises(UnreadableImageError, match=broken.name):
        train(runner_config, f'test_stop_{wrapper}')


def test_each_counting_data_set_is_found_once(runner_config):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        data = DATASETS.build(runner_config.train_dataloader.dataset)
    both = ConcatDataset([data, RepeatDataset(data, 2)])  # torch's holds anything
    assert counting_datasets(both) == counting_datasets(Subset(both, [0])) == [data]
    assert counting_datasets(TensorDataset()) == []

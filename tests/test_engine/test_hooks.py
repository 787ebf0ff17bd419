# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.dataset import RepeatDataset
from mmengine.registry import DefaultScope
from mmpretrain.registry import DATASETS
from torch.utils.data import ConcatDataset, Subset, TensorDataset

from mmcoca.datasets import UnreadableImageError
from mmcoca.engine.unreadable_images_hook import counting_datasets


def log_of(runner):
    return '\n'.join(path.read_text() for path in Path(runner.log_dir).glob('*.log'))


def test_log_shows_losses_temperature_rate_throughput_and_eta(runner_config, train):
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


def test_unreadable_images_are_reported_or_stop_training(runner_config, train, tmp_path):
    broken = sorted(tmp_path.glob('*.png'))[5]
    broken.write_bytes(b'broken')
    assert cv2.imread(str(broken)) is None
    runner_config.train_dataloader.dataset.max_unreadable = 0.1
    runner = train(runner_config, 'test_report')
    report = '1 of 32 items could not be read and were skipped (1 unreadable image): line 7: '
    assert report + str(broken) in log_of(runner)
    # Counted in steps it is told after each pass, of which there are two and a half.
    runner_config.train_cfg = dict(by_epoch=False, max_iters=10)
    log = log_of(train(runner_config, 'test_report_in_steps'))
    assert all(re.search(f'by step {step}: .*{re.escape(report)}', log) for step in (4, 8))
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
def test_unreadable_images_within_wrappers_of_data_sets(runner_config, train, tmp_path, wrapper):
    broken = sorted(tmp_path.glob('*.png'))[5]
    broken.write_bytes(b'broken')
    loader = runner_config.train_dataloader
    data = dict(loader.dataset, max_unreadable=0.1)
    loader.num_workers = 1
    loader.dataset = WRAPPERS[wrapper](data)
    log = log_of(train(runner_config, f'test_{wrapper}'))
    assert f'unreadable image): line 7: {broken}' in log
    loader.dataset = WRAPPERS[wrapper](dict(data, max_unreadable=0.01))
    with pytest.raises(UnreadableImageError, match=broken.name):
        train(runner_config, f'test_stop_{wrapper}')


def test_each_counting_data_set_is_found_once(runner_config):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        data = DATASETS.build(runner_config.train_dataloader.dataset)
    both = ConcatDataset([data, RepeatDataset(data, 2)])  # torch's holds anything
    assert counting_datasets(both) == counting_datasets(Subset(both, [0])) == [data]
    assert counting_datasets(TensorDataset()) == []

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A training that is killed and resumed is the one that was not, to the bit."""

import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from warm_processes import run_warm

from mmcoca.datasets.shards import ShardSample, write_shard

KILLER = '''
import os, signal
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class Killer(Hook):
    """Kills its process behind a step, when a checkpoint may have been saved, or in a save."""
    priority = 'LOWEST'

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if f'after {runner.iter + 1}' == os.environ.get('KILL'):
            os.kill(os.getpid(), signal.SIGKILL)

    def before_save_checkpoint(self, runner, checkpoint):
        if f'saving {runner.iter + 1}' == os.environ.get('KILL'):
            os.kill(os.getpid(), signal.SIGKILL)
'''
CONFIG = '''
_base_ = '{repository}/tests/coca_narrow_emoji.py'
custom_imports = dict(imports=['killer'])
custom_hooks = [dict(type='Killer'), dict(type='mmcoca.EMAHook', momentum=0.1)]
# Whatever draws: patches, paths, dropout, augmentation, and micro-batches that replay them.
model = dict(
    tokenizer=dict(vocab_file='{emoji}/tokenizer.json'),
    micro_batch_size=4,
    backbone=dict(patch_dropout=0.25, drop_path_rate=0.2),
    text=dict(dropout=0.1),
)
train_dataloader = dict(batch_size=8, num_workers=2)
val_cfg = val_dataloader = val_evaluator = test_cfg = test_dataloader = test_evaluator = None
default_hooks = dict(
    checkpoint=dict(interval=2, by_epoch=False, max_keep_ckpts=2),
    logger=dict(interval=1),
)
'''
BY_EPOCHS = '''
train_cfg = dict(max_epochs=3)  # 12 steps
param_scheduler = [dict(type='MultiStepLR', milestones=[1, 2], gamma=0.5, by_epoch=True)]
'''
BY_ITERATIONS = '''
train_cfg = dict(_delete_=True, by_epoch=False, max_iters=12)
log_processor = dict(by_epoch=False)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False)]
'''


@pytest.fixture
def data(tmp_path, drawings):
    """32 pairs as files and as shards."""
    rows = [f'{path}\t{caption}' for path, caption in drawings]
    (tmp_path / 'pairs.tsv').write_text('image\tcaption\n' + '\n'.join(rows))
    for start in range(0, 32, 8):
        samples = [
            ShardSample(str(n), path.read_bytes(), '.png', dict(caption=[caption, f'a {caption}']))
            for n, (path, caption) in enumerate(drawings[start:start + 8])
        ]
        write_shard(tmp_path / 'shards' / f'{start:03d}.tar', samples)
    folder = dict(ann_file=str(tmp_path / 'pairs.tsv'), data_root='', data_prefix=dict(img_path=''))
    shards = dict(type='mmcoca.ImageTextShards', shards=str(tmp_path / 'shards'), _delete_=True)
    return dict(
        files=f'train_dataloader["dataset"] = {folder}\n',
        shards='_base_.train_dataloader.sampler.window = 16\n'
        f'train_dataloader["dataset"] = dict({shards}, pipeline=_base_.train_pipeline)\n',
    )


def state(folder):
    """All that a training has made: weights, averages, optimizer, each step's losses."""
    checkpoint = torch.load(folder / 'iter_12.pth', weights_only=False)
    history = checkpoint['message_hub']['log_scalars']
    losses = {name: history[name].data[0] for name in history if 'loss' in name}
    assert len(losses['train/loss']) == 12
    kept = ('state_dict', 'ema_state_dict', 'optimizer', 'data_position')
    return {name: checkpoint[name] for name in kept} | dict(losses=losses)


def assert_same(one, other, place=''):
    assert type(one) is type(other), place
    if isinstance(one, dict):
        assert one.keys() == other.keys(), place
        for name in one:
            assert_same(one[name], other[name], f'{place}.{name}')
    elif isinstance(one, (list, tuple)):
        for number, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f'{place}.{number}')
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), place
    else:
        assert (one == other) if not hasattr(one, 'shape') else (one == other).all(), place


@pytest.mark.parametrize(
    'kind, loop, kills',
    [
        ('files', BY_EPOCHS, ('after 7', 'saving 10')),
        ('shards', BY_ITERATIONS, ('after 7', )),
    ],
    ids=['files by epochs', 'shards by iterations'],
)
def test_killed_and_resumed(
    run_tool, repository, emoji_data, data, tmp_path, monkeypatch, kind, loop, kills
):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'killer.py').write_text(KILLER)
    config = tmp_path / 'config.py'
    config.write_text(CONFIG.format(repository=repository, emoji=emoji_data) + data[kind] + loop)
    done = run_tool('train.py', config, '--work-dir', tmp_path / 'whole')
    assert done.returncode == 0, done.stderr
    workers = iter((0, 1))
    command = [repository / 'tools' / 'train.py', config, '--resume']
    command += ['--work-dir', tmp_path / 'killed', '--cfg-options']
    for kill in kills:
        number = next(workers)
        options = [
            f'train_dataloader.num_workers={number}',
            f'train_dataloader.persistent_workers={number > 0}',
        ]
        paths = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
        environment = os.environ | dict(KILL=kill, PYTHONPATH=paths)
        killed = run_warm(*command, *options, cwd=tmp_path, env=environment)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = run_tool('train.py', config, '--work-dir', tmp_path / 'killed', '--resume')
    assert done.returncode == 0, done.stderr
    assert_same(state(tmp_path / 'whole'), state(tmp_path / 'killed'))


@pytest.fixture
def train(run_tool, repository, emoji_data, data, tmp_path, monkeypatch):
    """Trains on the files by a loop, in one folder; returns the newest checkpoint."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'killer.py').write_text(KILLER)
    head = CONFIG.format(repository=repository, emoji=emoji_data) + data['files']

    def train(loop, *options, resume=None):
        config = tmp_path / 'config.py'
        config.write_text(head + loop)
        arguments = ['--work-dir', tmp_path / 'run', '--cfg-options', *options]
        arguments += ['train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False']
        if resume:
            arguments = ['--resume', resume, *arguments]
        done = run_tool('train.py', config, *arguments)
        assert done.returncode == 0, done.stderr
        return Path((tmp_path / 'run' / 'last_checkpoint').read_text())

    return train


def position_in(checkpoint):
    position = torch.load(checkpoint, weights_only=False)['data_position']
    return checkpoint.stem, position['epoch'], position['done']


EVERY_THIRD = 'default_hooks.checkpoint.interval=3'


def test_a_rest_that_fills_no_batch_of_another_size(train):
    third = train(BY_EPOCHS, 'train_cfg.max_epochs=1', EVERY_THIRD).with_name('iter_3.pth')
    assert position_in(third) == ('iter_3', 0, 24)
    larger = ('train_dataloader.batch_size=16', EVERY_THIRD)
    last = train(BY_EPOCHS, 'train_cfg.max_epochs=2', *larger, resume=third)
    assert position_in(last) == ('iter_5', 1, 32)
    last = train(BY_ITERATIONS, 'train_cfg.max_iters=6', *larger, resume=third)
    assert position_in(last) == ('iter_6', 2, 16)
    # One that was saved before there were positions begins its epoch anew.
    checkpoint = torch.load(third, weights_only=False)
    del checkpoint['data_position']
    torch.save(checkpoint, third)
    last = train(BY_EPOCHS, 'train_cfg.max_epochs=1', *larger, resume=third)
    assert position_in(last) == ('iter_5', 0, 32)


def test_gradients_are_accumulated_up_to_the_last_step_of_batches_of_another_size(train):
    """Steps 4 and 5 of five, where two of each epoch would have been four."""
    third = train(BY_EPOCHS, 'train_cfg.max_epochs=1', EVERY_THIRD).with_name('iter_3.pth')
    weights = [weights_in(third)]
    options = ['train_dataloader.batch_size=16', 'optim_wrapper.accumulative_counts=2']
    options += ['train_cfg.max_epochs=2', 'default_hooks.checkpoint.interval=1']
    last = train(BY_EPOCHS, *options, resume=third)
    assert position_in(last) == ('iter_5', 1, 32)
    weights += [weights_in(last.with_name('iter_4.pth')), weights_in(last)]
    assert not torch.equal(weights[0], weights[1]) and not torch.equal(weights[1], weights[2])


def weights_in(checkpoint):
    weights = torch.load(checkpoint, weights_only=False)['ema_state_dict']  # not the averages
    return weights['module.text.unimodal.cls_embedding']


def test_data_of_another_size_are_an_error(run_tool, tmp_path, train):
    last = train(BY_ITERATIONS, 'train_cfg.max_iters=2')
    options = ['train_dataloader.dataset.indices=16', 'train_cfg.max_iters=4']
    options = ['--work-dir', tmp_path / 'run', '--cfg-options', *options]
    done = run_tool('train.py', tmp_path / 'config.py', '--resume', last, *options)
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert 'the training data have 16 items, but had 32' in done.stderr


def test_a_resume_loads_nothing_that_was_seen(
    run_tool, repository, emoji_data, data, tmp_path, monkeypatch
):
    """Images of the steps before it are gone by then."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'killer.py').write_text(KILLER)
    config = tmp_path / 'config.py'
    head = CONFIG.format(repository=repository, emoji=emoji_data)
    config.write_text(head + data['files'] + BY_ITERATIONS)
    images = tmp_path / 'images'
    images.mkdir()
    rows = (tmp_path / 'pairs.tsv').read_text().splitlines()
    for number, row in enumerate(rows[1:], 1):
        path, caption = row.split('\t')
        shutil.copy(path, images / f'{number}.png')
        rows[number] = f'{images / f"{number}.png"}\t{caption}'
    (tmp_path / 'pairs.tsv').write_text('\n'.join(rows))
    common = ('--work-dir', tmp_path / 'run', '--cfg-options', 'train_cfg.max_iters=2')
    assert run_tool('train.py', config, *common).returncode == 0
    position = torch.load(tmp_path / 'run' / 'iter_2.pth', weights_only=False)['data_position']
    assert position['epoch'] == 0 and position['done'] == 16
    from mmcoca.datasets import TrainingSampler

    seen = list(TrainingSampler(range(32), seed=position['seed']))[:16]
    for number in seen:
        (images / f'{number + 1}.png').write_bytes(b'')
    options = ('train_cfg.max_iters=4', 'train_dataloader.dataset.max_unreadable=0')
    done = run_tool('train.py', config, '--resume', *common[:3], *options)
    assert done.returncode == 0, done.stderr
    # And the next epoch reads them.
    options = ('train_cfg.max_iters=8', 'train_dataloader.dataset.max_unreadable=0')
    done = run_tool('train.py', config, '--resume', *common[:3], *options)
    assert done.returncode == 1 and 'could not be read' in done.stderr

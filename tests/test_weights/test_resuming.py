# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Which checkpoint a training goes on from, and what it says where it cannot."""

import itertools
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper
from torch import nn

from mmcoca.command_line.train import main
from mmcoca.engine import Adafactor, Muon
from mmcoca.errors import UserError
from mmcoca.weights import check_resumable, find_checkpoint, find_resumable, load_safely

CONFIG = Path(__file__).parents[2] / 'configs' / 'coca' / 'coca_tiny_emoji.py'
numbers = itertools.count()


def save(folder, *names, last=None):
    """Checkpoints, and which of them was the last."""
    for name in names:
        checkpoint = dict(meta=dict(epoch=1, iter=1), state_dict=dict(w=torch.ones(99)))
        torch.save(checkpoint, folder / name)
    if last is not None:
        (folder / 'last_checkpoint').write_text(str(last))


def test_the_last_is_resumed_though_another_training_went_further(tmp_path):
    assert find_resumable(str(tmp_path)) is None
    assert find_resumable(str(tmp_path / 'none')) is None
    save(tmp_path, 'epoch_3.pth', 'epoch_4.pth', 'epoch_48.pth', last=tmp_path / 'epoch_4.pth')
    assert find_resumable(str(tmp_path)) == str(tmp_path / 'epoch_4.pth')


@pytest.mark.parametrize('size', [0, 100, 700])
def test_broken_checkpoints_are_passed_over(tmp_path, size, log):
    names = ['epoch_9.pth', 'epoch_10.pth', 'epoch_11.pth', 'epoch_48.pth']
    save(tmp_path, *names, 'best_a_epoch_10.pth', 'epoch_10-1234.pth', last=tmp_path / names[2])
    os.truncate(tmp_path / 'epoch_11.pth', size)
    assert find_resumable(str(tmp_path)) == str(tmp_path / 'epoch_10.pth')
    assert f'passed over: {tmp_path / "epoch_11.pth"} is not a checkpoint' in log()
    os.truncate(tmp_path / 'epoch_10.pth', size)
    assert find_resumable(str(tmp_path)) == str(tmp_path / 'epoch_9.pth')
    os.truncate(tmp_path / 'epoch_9.pth', size)
    with pytest.raises(UserError) as raised:
        find_resumable(str(tmp_path))
    assert all(name in str(raised.value) for name in names[:3]) and '\n' not in str(raised.value)


@pytest.mark.parametrize('text', ['', '/nowhere/iter_30.pth'])
def test_a_pointer_to_nothing(tmp_path, text):
    save(tmp_path, last=text)
    with pytest.raises(UserError, match='has no checkpoint to resume from: .*last_checkpoint'):
        find_resumable(str(tmp_path))
    save(tmp_path, 'iter_9.pth', 'iter_20.pth')
    assert find_resumable(str(tmp_path)) == str(tmp_path / 'iter_20.pth')


def test_copied_work_directories_and_checkpoints_elsewhere(tmp_path):
    old, new = tmp_path / 'old', tmp_path / 'new'
    old.mkdir()
    save(old, 'epoch_1.pth', 'epoch_2.pth', last=old / 'epoch_2.pth')
    shutil.copytree(old, new)
    # The copy's own, whether the original is still there or not.
    assert find_resumable(str(new)) == find_checkpoint(str(new)) == str(new / 'epoch_2.pth')
    old.rename(tmp_path / 'gone')
    assert find_resumable(str(new)) == str(new / 'epoch_2.pth')
    (tmp_path / 'work').mkdir()
    save(tmp_path / 'work', last=new / 'epoch_2.pth')  # with out_dir of the hook
    os.truncate(new / 'epoch_2.pth', 10)
    assert find_resumable(str(tmp_path / 'work')) == str(new / 'epoch_1.pth')


@pytest.fixture
def log(tmp_path):
    """What is logged before a runner has its own log -> a function that reads it."""
    path = tmp_path / 'before.log'
    MMLogger.get_instance(f'resuming_{next(numbers)}', log_file=str(path))
    return path.read_text


def log_of(work_dir):
    """Of the newest run."""
    return sorted(work_dir.glob('*/*.log'), key=os.path.getmtime)[-1].read_text()


def options(emoji_data):
    return [
        f'model.tokenizer.vocab_file={emoji_data / "tokenizer.json"}',
        f'train_dataloader.dataset.data_root={emoji_data}',
        'train_dataloader.dataset.indices=16',
        'train_dataloader.batch_size=8',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'train_cfg.max_epochs=2',
        'default_hooks.checkpoint.interval=1',
        'default_hooks.logger.interval=1',
    ]


def train(work_dir, options, *args, config=CONFIG):
    """The command line, each time under a name of its own."""
    options = [*options, f'experiment_name=resuming_{next(numbers)}']
    start = ['--no-validate', '--work-dir', str(work_dir)]
    main([str(config), *start, *args, '--cfg-options', *options])


@pytest.fixture(scope='module')
def trained(emoji_data, tmp_path_factory):
    """The work directory of two epochs of two steps."""
    work_dir = tmp_path_factory.mktemp('trained')
    train(work_dir, options(emoji_data))
    return work_dir


def test_it_starts_anew_without_a_checkpoint_and_with_the_weights_of_the_config(
    trained, emoji_data, tmp_path
):
    weights = f'load_from={trained / "epoch_1.pth"}'
    small = ['train_cfg.max_epochs=1', 'optim_wrapper.optimizer.lr=1e-12', weights]
    train(tmp_path / 'work', [*options(emoji_data), *small], '--resume')
    told = f'no checkpoint in {tmp_path / "work"} yet: training begins anew'
    assert told in log_of(tmp_path / 'work')
    name = 'text.unimodal.token_embedding.weight'
    found = load_safely(str(tmp_path / 'work' / 'epoch_1.pth'))['state_dict'][name]
    expected = load_safely(str(trained / 'epoch_1.pth'))['state_dict'][name]
    torch.testing.assert_close(found, expected)


def test_it_goes_on_from_the_newest_whole_checkpoint_and_ends_where_nothing_is_left(
    trained, emoji_data, tmp_path, log
):
    work_dir = shutil.copytree(trained, tmp_path / 'work')
    (work_dir / 'last_checkpoint').write_text(str(work_dir / 'epoch_2.pth'))
    os.truncate(work_dir / 'epoch_2.pth', 1000)
    train(work_dir, [*options(emoji_data), 'optim_wrapper.optimizer.lr=0.001'], '--resume')
    assert f'resuming from {work_dir / "epoch_1.pth"}' in log()
    said = log_of(work_dir)
    assert 'resuming after epoch 1, iteration 2, with the optimizer, its settings and the' in said
    assert 'its learning rate 0.005 is kept, not 0.001 of the config' in said
    assert 'Epoch(train) [2][2/2]' in said and 'Epoch(train) [1]' not in said
    assert load_safely(str(work_dir / 'epoch_2.pth'))['meta']['epoch'] == 2
    train(work_dir, options(emoji_data), '--resume')
    said = log_of(work_dir)
    assert f'{work_dir / "epoch_2.pth"} has 2 of 2 epochs (train_cfg.max_epochs): there is' in said
    assert 'Epoch(train)' not in said


def test_the_schedule_of_the_config_goes_on_if_asked_for(trained, emoji_data, tmp_path):
    """At each step as in a training that had run by that config from its start."""
    changed = [*options(emoji_data), 'train_cfg.max_epochs=4', 'optim_wrapper.optimizer.lr=0.001']
    args = ('--resume', str(trained / 'epoch_2.pth'), '--resume-schedule', 'config')
    train(tmp_path / 'whole', changed)
    train(tmp_path / 'resumed', changed, *args)
    expected, found = rates(tmp_path / 'whole'), rates(tmp_path / 'resumed')
    assert list(found) == [5, 6, 7, 8]
    assert found == pytest.approx({step: expected[step] for step in found})
    assert 'settings and schedule of the config' in log_of(tmp_path / 'resumed')


SCHEDULES = """
_base_ = '{base}'
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, end=3, by_epoch=True, convert_to_iter_based=True),
    dict(type='MultiStepLR', milestones=[2, 3], gamma=0.5, by_epoch=True),
    dict(type='ExponentialLR', gamma=0.9, by_epoch=False),
]
"""


def test_the_schedule_of_the_config_goes_on_with_batches_of_another_size(emoji_data, tmp_path):
    """What is left of the data has the rates of a training that had those batches from its start.
    """
    config = tmp_path / 'schedules.py'
    config.write_text(SCHEDULES.format(base=CONFIG))
    old = [*options(emoji_data), 'default_hooks.checkpoint.by_epoch=False']
    train(tmp_path / 'old', old, config=config)  # two epochs of two steps
    changed = [*options(emoji_data), 'train_cfg.max_epochs=4', 'train_dataloader.batch_size=4']
    train(tmp_path / 'whole', changed, config=config)
    expected = list(rates(tmp_path / 'whole').values())
    assert len(expected) == 16
    for steps, visited in ((3, 6), (4, 8)):  # within an epoch, and at its end
        work_dir = tmp_path / f'resumed{steps}'
        args = ('--resume', str(tmp_path / 'old' / f'iter_{steps}.pth'))
        train(work_dir, changed, *args, '--resume-schedule', 'config', config=config)
        assert list(rates(work_dir).values()) == pytest.approx(expected[visited:])


def rates(work_dir):
    """The learning rate of each step."""
    (path, ) = work_dir.glob('*/vis_data/scalars.json')
    lines = map(json.loads, path.read_text().splitlines())
    return {line['step']: line['lr'] for line in lines}


@pytest.mark.parametrize(
    'changes, message', [
        (
            'model = dict(text=dict(mlp_dims=96))',
            'text.unimodal.layers.0.mlp.0.weight is (768, 384) there, (96, 384) in the config '
            '(model.text)',
        ),
        (
            'model = dict(text=dict(num_multimodal_layers=2))',
            'it lacks text.multimodal.layers.1.',
        ),
        ("model = dict(frozen=['backbone'])", '(model.frozen, optim_wrapper.paramwise_cfg)'),
        (
            "optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor', "
            "optimizer=dict(_delete_=True, type='AdamW', lr=1e-3))",
            'but AdamW (optim_wrapper.optimizer.type)',
        ),
        ("param_scheduler = [dict(type='ConstantLR')]", 'had 2 schedulers, the config has 1'),
    ]
)
def test_a_config_that_does_not_fit_is_named_before_the_first_step(
    trained, emoji_data, tmp_path, changes, message
):
    config = tmp_path / 'changed.py'
    config.write_text(f"_base_ = '{CONFIG}'\n{changes}\n")
    with pytest.raises(SystemExit) as raised:
        train(
            tmp_path,
            options(emoji_data),
            '--resume',
            str(trained / 'epoch_1.pth'),
            config=config,
        )
    line = str(raised.value)
    assert line.startswith(f'error: cannot resume from {trained / "epoch_1.pth"}: ')
    assert message in line and '\n' not in line
    assert 'Epoch(train)' not in log_of(tmp_path)


def layers(*sizes):
    return nn.Sequential(*[nn.Linear(*size) for size in sizes])


@pytest.mark.parametrize(
    'build', [
        lambda p: torch.optim.AdamW(p),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: torch.optim.Adagrad(p),
        lambda p: Adafactor(p, lr=0.1),
        lambda p: Adafactor(p, lr=0.1, min_dim_size_to_factor=2),
        lambda p: Muon(p),
    ]
)
def test_what_an_optimizer_saves_fits_itself_and_no_other(tmp_path, build):
    """Against a real step of each; parameters in another order are seen by their shapes."""
    model = layers((4, 6), (6, 5))
    optimizer = build(model.parameters())
    model(torch.randn(3, 4)).sum().backward()
    optimizer.step()
    checkpoint = dict(
        meta=dict(epoch=1, iter=1),
        state_dict=model.state_dict(),
        optimizer=optimizer.state_dict(),
    )
    path = str(tmp_path / 'epoch_1.pth')
    torch.save(checkpoint, path)
    check_resumable(path, model, OptimWrapper(build(model.parameters())))
    with pytest.raises(UserError, match=r'where a parameter is|4 parameters, but that of'):
        other = build(list(model.parameters())[::-1])
        check_resumable(path, model, OptimWrapper(other))
    with pytest.raises(UserError, match='group 0 of its optimizer has 4 parameters, but that of'):
        check_resumable(path, model, OptimWrapper(build(list(model.parameters())[:3])))
    groups = [dict(params=list(layer.parameters())) for layer in model]
    with pytest.raises(UserError, match='1 parameter group, but'):
        check_resumable(path, model, OptimWrapper(build(groups)))
    with pytest.raises(UserError, match=r'\(optim_wrapper.optimizer.type\)'):
        other = torch.optim.Rprop(model.parameters())
        check_resumable(path, model, OptimWrapper(other))
    with pytest.raises(UserError, match=r'is \(6, 4\) there, \(7, 4\) in the config'):
        check_resumable(path, layers((4, 7), (7, 5)), OptimWrapper(optimizer))
    torch.save(model.state_dict(), path)
    with pytest.raises(UserError, match='is no checkpoint of a training'):
        check_resumable(path, model, OptimWrapper(optimizer))

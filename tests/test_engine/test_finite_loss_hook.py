# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Trainings that break: what stops, what is skipped, and which checkpoints are left."""

import copy
import os
import re
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import Runner
from torch.utils.data import DataLoader
from warm_processes import run_on_ranks

from mmcoca.errors import NotFiniteError, SettingError
from mmcoca.registry import OPTIM_WRAPPERS


class SpoilHook(Hook):
    """Has some steps see NaN in place of image tokens; notes the state before and after each step.
    """

    def __init__(self, steps):
        self.steps = steps
        self.states = []
        self.losses = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if not self.states:
            self.states.append(self.state(runner))
        if runner.iter + 1 in self.steps:
            self.handle = runner.model.backbone.register_forward_hook(
                lambda module, inputs, outputs: tuple(torch.nan * out for out in outputs)
            )

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.states.append(self.state(runner))
        self.losses.append(outputs['loss'].item())
        if runner.iter + 1 in self.steps:
            self.handle.remove()

    @staticmethod
    def state(runner):
        parts = (runner.model.state_dict(), runner.optim_wrapper.optimizer.state_dict()['state'])
        return copy.deepcopy(parts)


def same(first, second):
    try:
        torch.testing.assert_close(first, second, rtol=0, atol=0)
    except AssertionError:
        return False
    return True


@pytest.fixture
def config(runner_config):
    """Four steps, each over four pairs, at a learning rate at which they can be learned."""
    runner_config.train_dataloader.update(batch_size=4)
    runner_config.train_dataloader.dataset.indices = 16
    runner_config.train_cfg.max_epochs = 2
    runner_config.param_scheduler = []
    return runner_config


def assert_good(path):
    weights = torch.load(path, weights_only=False)['state_dict']
    assert all(tensor.isfinite().all() for tensor in weights.values())


def test_a_training_that_diverges_stops_and_keeps_the_last_good_checkpoint(config, train):
    config.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=1)
    config.train_cfg.max_epochs = 3
    config.param_scheduler = [
        dict(type='MultiStepLR', milestones=[4], gamma=1e9, by_epoch=False)  # in the second epoch
    ]
    with pytest.raises(NotFiniteError) as raised:
        train(config, 'diverges')
    folder = Path(config.work_dir)
    message = str(raised.value)
    form = r'step [5-8] \(loss nan, loss_con\S+ \S+, loss_cap\S+ \S+, learning rate 5e\+06\)'
    assert re.match(form, message) and '\n' not in message
    assert f'The last checkpoint is {folder / "epoch_1.pth"}' in message
    assert issubclass(NotFiniteError, SettingError)  # one line at the command line
    assert (folder / 'last_checkpoint').read_text() == str(folder / 'epoch_1.pth')
    assert [path.name for path in folder.glob('*.pth')] == ['epoch_1.pth']
    assert_good(folder / 'epoch_1.pth')


def spoil_weights_in_step_3(config):
    """Its learning rate, by which the weights overflow."""
    config.optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-4))
    config.param_scheduler = [dict(type='MultiStepLR', milestones=[2], gamma=3e42, by_epoch=False)]


@pytest.mark.parametrize('hook', ['CheckpointHook', 'mmcoca.CheckpointHook'])
def test_weights_spoilt_by_a_step_with_a_finite_loss_are_not_saved(config, train, hook):
    config.default_hooks.checkpoint.update(type=hook, by_epoch=False, interval=1, max_keep_ckpts=1)
    spoil_weights_in_step_3(config)
    with pytest.raises(NotFiniteError, match='step 3: the weights are not finite after it'):
        train(config, f'spoilt by {hook}')
    folder = Path(config.work_dir)
    assert [path.name for path in folder.glob('*.pth')] == ['iter_2.pth']
    assert (folder / 'last_checkpoint').read_text() == str(folder / 'iter_2.pth')
    assert_good(folder / 'iter_2.pth')


def test_spoilt_weights_are_not_evaluated(config, tiny_config, train):
    config.val_cfg, config.val_evaluator = tiny_config.val_cfg, tiny_config.val_evaluator
    config.val_dataloader = tiny_config.val_dataloader
    config.train_cfg = dict(by_epoch=False, max_iters=8, val_interval=3)
    config.default_hooks.checkpoint = None
    spoil_weights_in_step_3(config)
    with pytest.raises(NotFiniteError, match='step 3: the weights .* There is no checkpoint yet'):
        train(config, 'not evaluated')


@pytest.mark.parametrize('accumulated', [1, 2])
def test_a_skipped_step_changes_nothing(config, start, accumulated):
    config.default_hooks.finite_loss.max_skipped = 2
    config.optim_wrapper.accumulative_counts = accumulated
    spoil = SpoilHook([3, 7])
    runner = start(config, f'skipped {accumulated}')
    runner.register_hook(spoil, priority='VERY_HIGH')
    runner.register_hook(after := SpoilHook([]), priority='LOWEST')
    runner.train()
    for first in range(0, 8, accumulated):
        is_spoilt = any(step in (3, 7) for step in range(first + 1, first + accumulated + 1))
        assert same(after.states[first], after.states[first + accumulated]) == is_spoilt
    is_nan = [loss != loss for loss in spoil.losses]
    assert is_nan == [step in (3, 7) for step in range(1, 9)]
    assert_good(Path(config.work_dir) / 'epoch_2.pth')


def test_more_skipped_steps_than_allowed_stop_it_after_a_resume_too(config, start):
    config.default_hooks.finite_loss.max_skipped = 1
    config.default_hooks.checkpoint.interval = 1
    runner = start(config, 'one skipped')
    runner.register_hook(SpoilHook([2]))
    runner.train_loop._max_epochs = 1
    runner.train()
    config.resume, config.load_from = True, str(Path(config.work_dir) / 'epoch_1.pth')
    runner = start(config, 'two skipped')
    runner.register_hook(SpoilHook([6]))
    with pytest.raises(
        NotFiniteError, match='step 6 .* makes 2 such steps, more than max_skipped, 1'
    ):
        runner.train()


@OPTIM_WRAPPERS.register_module()
class ScaledOnCPU(AmpOptimWrapper):
    """MMEngine's, whose constructor alone asks for a GPU."""

    def __init__(self, **kwargs):
        OptimWrapper.__init__(self, **kwargs)
        self.loss_scaler = torch.amp.GradScaler('cpu')
        self._scale_update_param = None
        self.cast_dtype = torch.bfloat16


def test_steps_that_the_scaler_skips_are_no_error_unless_they_never_end(config, start):
    config.optim_wrapper.type = 'mmcoca.ScaledOnCPU'
    config.default_hooks.finite_loss.interval = 3
    config.model.contrastive_head.norm_cfg = None  # whose averages would be spoilt
    config.model.contrastive_head.min_temperature = 0.01  # at its bound a skipped step moves it
    runner = start(config, 'scaled')
    runner.register_hook(spoil := SpoilHook([2, 3, 6, 7]), priority='VERY_HIGH')
    runner.train()
    assert same(spoil.states[1], spoil.states[3]) and not same(spoil.states[3], spoil.states[4])
    runner = start(config, 'scaled for ever')
    runner.register_hook(SpoilHook([2, 3, 4, 5]))
    with pytest.raises(NotFiniteError, match='step 4 '):
        runner.train()


class Quotient(BaseModel):
    """Its loss is infinite where an input is 0."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs, mode):
        return dict(loss=(self.weight / inputs).mean())


class Wrapper(MMDistributedDataParallel):
    """Without the device that MMEngine's runner hands over and a CPU has not."""

    def __init__(self, module, device_ids=None, **kwargs):
        super().__init__(module, **kwargs)


def train_on_rank(rank, folder):
    os.environ['LOCAL_RANK'] = str(rank)
    inputs = [torch.ones(1), torch.tensor([float(1 - rank)]), torch.ones(1)]
    runner = Runner(
        Quotient(),
        folder,
        DataLoader(inputs, batch_size=1, collate_fn=lambda batch: dict(inputs=batch[0])),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(finite_loss=dict(type='mmcoca.FiniteLossHook')),
        launcher='pytorch',
        cfg=dict(model_wrapper_cfg=dict(type=Wrapper)),
        experiment_name='two processes',
    )
    with pytest.raises(NotFiniteError) as error:
        runner.train()
    return str(error.value)


def test_processes_stop_together(tmp_path):
    found = run_on_ranks(train_on_rank, 2, str(tmp_path))
    assert found[0].startswith('step 2 (loss 0.9, ') and found[1].startswith('step 2 (loss inf, ')

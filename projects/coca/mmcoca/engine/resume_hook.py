# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A training that goes on exactly where it was, and loads nothing that it has seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from mmcoca.errors import SettingError
from mmcoca.registry import HOOKS
from mmcoca.seeds import seed_generators, seeds_at

KEY = 'data_position'  # in a checkpoint
OF_STEPS = 1  # in the key of a seed: no visit of an item has the same


@HOOKS.register_module()
class ResumeHook(Hook):
    """Note in each checkpoint how far the data are; begin there after a resume.

    With TrainingSampler, in loops by epochs and by iterations, no item is loaded again and none
    left out, also with another number of processes, workers or pairs a batch. What the model draws
    in a step (dropout) depends on seed, step and process. So a run that was killed and resumed on
    the same processes repeats the losses of one that was not, on CPUs to the bit.

    With another sampler the data begin again as MMEngine has them.

    Gradients that had been accumulated when a checkpoint was saved (`accumulative_counts` of the
    optim_wrapper) are not in it: the step in which they would have counted goes on without them.
    An interval of checkpoints that accumulative_counts divides leaves none.

    Raises SettingError where the checkpoint's data had another number of items.
    """

    priority = 'BELOW_NORMAL'  # after MMEngine's DistSamplerSeedHook, before checkpoints are saved

    def __init__(self) -> None:
        self._position: dict[str, int] | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take the position from a checkpoint that is resumed."""
        if runner._resume:
            self._position = checkpoint.get(KEY)

    def before_train(self, runner: Runner) -> None:
        """Find the position, and have the loop begin there."""
        loader, loop = runner.train_dataloader, runner.train_loop
        self._draws_by_position = hasattr(loader.sampler, 'go_on') and loader.batch_size is not None
        if not self._draws_by_position:
            self._position = dict(seed=runner.seed)
            return
        sampler = loader.sampler
        if self._position is None:
            self._position = first_position(runner)
        elif self._position['items'] != sampler.num_items:
            raise SettingError(
                f'the training data have {sampler.num_items} items, but had '
                f'{self._position["items"]} where the checkpoint was saved: to begin anew with its '
                'weights, set load_from in place of --resume'
            )
        sampler.seed = self._position['seed']
        if isinstance(loop, IterBasedTrainLoop):
            loop.dataloader_iterator = EndlessBatches(loader)
        elif isinstance(loop, EpochBasedTrainLoop):
            whole_epoch = len(loader)
            sampler.go_on(self._position['epoch'], self._position['done'])
            epochs_after = loop.max_epochs - loop.epoch - 1
            total = loop.iter + len(loader) + epochs_after * whole_epoch
            if total != loop.max_iters:
                loop._max_iters = total
                tell_number_of_steps(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        """Begin the epoch at the position."""
        if self._draws_by_position:
            sampler = runner.train_dataloader.sampler
            sampler.go_on(self._position['epoch'], self._position['done'])

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Seed what the model draws in this step."""
        key = (self._position['seed'], get_rank(), OF_STEPS)
        seed = int(seeds_at(key, np.array([runner.iter]))[0])
        seed_generators(seed)
        if torch.cuda.is_available():
            torch.cuda.manual_seed(seed)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Count the items of the step."""
        if not self._draws_by_position:
            return
        loader, position = runner.train_dataloader, self._position
        if position['epoch'] != loader.sampler.epoch:  # which EndlessBatches has begun
            position |= dict(epoch=loader.sampler.epoch, done=0)
        position['done'] += items_of_step(loader)

    def after_train_epoch(self, runner: Runner) -> None:
        """Go on to the next epoch. A checkpoint of its last step resumes with what follows that:
        schedulers by epochs, validation.
        """
        if self._draws_by_position and isinstance(runner.train_loop, EpochBasedTrainLoop):
            self._position |= dict(epoch=self._position['epoch'] + 1, done=0)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put the position into the checkpoint."""
        if self._draws_by_position:
            checkpoint[KEY] = dict(self._position)


def tell_number_of_steps(runner: Runner) -> None:
    """Have the optimizer, which accumulates gradients, know the last step."""
    if isinstance(runner.optim_wrapper, OptimWrapper):
        loop = runner.train_loop
        runner.optim_wrapper.initialize_count_status(runner.model, loop.iter, loop.max_iters)


def first_position(runner: Runner) -> dict[str, int]:
    """Where a training begins; or goes on, with a checkpoint that notes no position."""
    loader = runner.train_dataloader
    epoch, done = runner.epoch, 0
    if isinstance(runner.train_loop, IterBasedTrainLoop):
        epoch, steps = divmod(runner.iter, max(1, len(loader)))
        done = steps * items_of_step(loader)
    sampler = loader.sampler
    return dict(epoch=epoch, done=done, seed=sampler.seed, items=sampler.num_items)


def items_of_step(loader: DataLoader) -> int:
    """Items of a batch, over all processes."""
    return loader.batch_size * get_world_size()


class EndlessBatches:
    """Epoch after epoch of a loader with a TrainingSampler, from where that is told to begin.

    In place of MMEngine's iterator, which begins again with the first epoch after a resume.
    """

    def __init__(self, loader: DataLoader) -> None:
        self.loader = loader
        self._batches = None

    def skip_iter(self, num_iters: int) -> None:
        """Nothing: the sampler begins behind what was visited."""

    def __iter__(self) -> EndlessBatches:
        return self

    def __next__(self) -> Any:
        if self._batches is None:
            self._batches = iter(self.loader)
        try:
            return next(self._batches)
        except StopIteration:
            self.loader.sampler.set_epoch(self.loader.sampler.epoch + 1)
            self._batches = iter(self.loader)
            return next(self._batches)

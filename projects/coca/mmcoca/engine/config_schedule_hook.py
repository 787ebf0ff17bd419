# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A resumed training with another learning rate or schedule than its checkpoint's."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from mmengine.hooks import Hook
from mmengine.optim import _ParamScheduler
from mmengine.runner import EpochBasedTrainLoop, Runner

from mmcoca.registry import HOOKS


@HOOKS.register_module()
class ConfigScheduleHook(Hook):
    """After a resume, give the optimizer the settings and the schedule of the config.

    Learning rate, weight decay and so on become what they would be here, had the training run by
    this config from its start: in loops by epochs, what is left of the data tells where that is,
    whatever the batches were before; in loops by iterations, the number of the step. MMEngine goes
    on with the checkpoint's, whatever the config says. The optimizer's averages stay.
    """

    priority = 'LOW'  # after ResumeHook, which tells the sampler what is left of the epoch

    def before_run(self, runner: Runner) -> None:
        """Note what the config asks for, before MMEngine loads the checkpoint."""
        self._settings = [
            {name: copy.deepcopy(value)
             for name, value in group.items()
             if name != 'params'}
            for group in runner.optim_wrapper.param_groups
        ]
        self._epoch_length = len(runner.train_dataloader)
        self._schedules = [copy.deepcopy(s.state_dict()) for s in runner.param_schedulers or ()]

    def before_train(self, runner: Runner) -> None:
        """Go through the schedule up to the present step."""
        if runner.iter == 0:
            return
        for group, settings in zip(runner.optim_wrapper.param_groups, self._settings):
            group.update(settings)
        schedulers = runner.param_schedulers or ()
        for scheduler, state in zip(schedulers, self._schedules):
            scheduler.load_state_dict(state)
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            for _ in range(runner.epoch):
                step(schedulers, self._epoch_length)
                step(schedulers, 1, by_epoch=True)
            step(schedulers, self._epoch_length - len(runner.train_dataloader))
        else:
            step(schedulers, runner.iter)


def step(schedulers: Iterable[_ParamScheduler], times: int, by_epoch: bool = False) -> None:
    """Go on with those schedulers that count epochs, or with those that count iterations."""
    for _ in range(times):
        for scheduler in schedulers:
            if scheduler.by_epoch == by_epoch:
                scheduler.step()

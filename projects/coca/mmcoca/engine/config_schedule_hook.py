# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A resumed training with another learning rate or schedule than its checkpoint's."""

from __future__ import annotations

import copy

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from mmcoca.registry import HOOKS


@HOOKS.register_module()
class ConfigScheduleHook(Hook):
    """After a resume, give the optimizer the settings and the schedule of the config.

    Learning rate, weight decay and so on become what they would be at this step, had the training
    run by this config from its start. MMEngine goes on with the checkpoint's, whatever the config
    says. The optimizer's averages stay.
    """

    priority = 'VERY_HIGH'

    def before_run(self, runner: Runner) -> None:
        """Note what the config asks for, before MMEngine loads the checkpoint."""
        self._settings = [
            {name: copy.deepcopy(value)
             for name, value in group.items()
             if name != 'params'}
            for group in runner.optim_wrapper.param_groups
        ]
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
        has_epochs = isinstance(runner.train_loop, EpochBasedTrainLoop)
        epoch_length = len(runner.train_dataloader)
        for done in range(1, runner.iter + 1):
            ends_epoch = has_epochs and done % epoch_length == 0
            for scheduler in schedulers:
                if not scheduler.by_epoch or ends_epoch:
                    scheduler.step()

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What a step computed, for the log, without a wait in each step."""

from __future__ import annotations

import mmengine.hooks
import torch
from mmengine.hooks import LoggerHook
from mmengine.runner import Runner
from torch import Tensor

from mmcoca.registry import HOOKS

from .finite_loss_hook import is_saved_now


@HOOKS.register_module()
class RuntimeInfoHook(mmengine.hooks.RuntimeInfoHook):
    """MMEngine's, but that losses stay on their device until a log line or a checkpoint needs them.

    MMEngine's own fetches each loss in each step, and so waits for the device.
    """

    def __init__(self) -> None:
        self._noted: list[dict[str, Tensor]] = []

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Note the outputs and the gradients' norm; fetch all where they are read."""
        noted = dict(outputs or {})
        norm = getattr(runner.optim_wrapper, 'grad_norm', None)
        if norm is not None:
            noted = dict(grad_norm=norm) | noted
        self._noted.append({name: torch.as_tensor(x).detach() for name, x in noted.items()})
        if self._are_read_now(runner, batch_idx):
            self._fetch(runner)

    def _are_read_now(self, runner: Runner, batch_idx: int) -> bool:
        """Whether the log or a checkpoint follows this iteration."""
        loggers = [hook for hook in runner.hooks if isinstance(hook, LoggerHook)]
        return (
            any(self.every_n_inner_iters(batch_idx, hook.interval) for hook in loggers)
            or self.end_of_epoch(runner.train_dataloader, batch_idx)
            or self.is_last_train_iter(runner) or is_saved_now(runner)
        )

    def _fetch(self, runner: Runner) -> None:
        noted, self._noted = self._noted, []
        values = [value for of_step in noted for value in of_step.values()]
        if not values:
            return
        device = next((value.device for value in values if value.device.type != 'cpu'), 'cpu')
        together = torch.stack([value.to(device, torch.float32).reshape(()) for value in values])
        numbers = iter(together.tolist())
        for of_step in noted:
            for name in of_step:
                runner.message_hub.update_scalar(f'train/{name}', next(numbers))

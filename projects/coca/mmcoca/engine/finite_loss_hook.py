# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""An end to a training whose loss is NaN, before its weights replace good checkpoints."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from mmcoca.errors import NotFiniteError
from mmcoca.registry import HOOKS


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stop at the first loss that is NaN or infinite: such weights are neither saved nor evaluated.

    The losses stay on the device and are looked at together every `interval` steps, so that no step
    waits for them. Before each checkpoint and each evaluation losses and weights are looked at,
    since a step with a finite loss can spoil the weights too. Several processes decide together.

    AmpOptimWrapper by itself passes over steps with infinite gradients. Under it a loss must stay
    NaN or infinite for `interval` steps to be an error, and `max_skipped` is without effect.

    Args:
        max_skipped: Steps that may be skipped in a training, resumed or not, because a gradient is
            NaN or infinite: they change neither weights nor the optimizer's averages. Each step
            then waits for the device. 0: none, training stops.
        interval: Steps between two looks at the losses; on a CPU every step is looked at.

    Raises NotFiniteError.
    """

    priority = 'BELOW_NORMAL'  # after the log, before the learning rate moves on and a checkpoint

    def __init__(self, max_skipped: int = 0, interval: int = 50) -> None:
        self.max_skipped = max_skipped
        self.interval = interval
        self._step: int | None = None
        self._noted: list[tuple[int, float, dict[str, Tensor]]] = []
        self._not_finite_in_a_row = 0
        self._handle = None
        self._is_skipped = False

    def before_train(self, runner: Runner) -> None:
        """Look at the gradients where steps may be skipped."""
        if self.max_skipped and not scales_loss(runner):
            optimizer = runner.optim_wrapper.optimizer
            self._handle = optimizer.register_step_pre_hook(self._drop_bad_gradients)

    def after_train(self, runner: Runner) -> None:
        """Leave the optimizer as it was."""
        if self._handle is not None:
            self._handle.remove()

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Keep what a forward pass changes by itself, as the averages of a batch norm."""
        if self._handle is not None and runner.optim_wrapper.should_update():  # none accumulated
            self._buffers = [(buffer, buffer.clone()) for buffer in runner.model.buffers()]

    def _drop_bad_gradients(self, optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
        """Before a step of the optimizer, which passes over parameters without gradient."""
        parameters = [p for group in optimizer.param_groups for p in group['params']]
        gradients = [p.grad for p in parameters if p.grad is not None]
        self._is_skipped = not holds_in_all_processes(are_finite(gradients))
        if self._is_skipped:
            for parameter in parameters:
                parameter.grad = None

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Note the losses; look at them where it is time to."""
        losses = {
            name: torch.as_tensor(value).detach()
            for name, value in outputs.items()
            if 'loss' in name
        }
        rate = next(iter(runner.optim_wrapper.get_lr().values()))[0]
        self._step = runner.iter + 1
        self._noted.append((self._step, rate, losses))
        if self._is_skipped:
            self._count_skipped(runner)
        is_on_cpu = all(loss.device.type == 'cpu' for loss in losses.values())
        if is_saved_now(runner):
            self._check(runner)
        elif self.every_n_train_iters(runner, 1 if is_on_cpu else self.interval):
            self._check_losses(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Before the checkpoint of an epoch."""
        self._check(runner)

    def before_val_epoch(self, runner: Runner) -> None:
        """Before an evaluation within a training, by which the best checkpoint is chosen."""
        if self._step is not None:
            self._check(runner)

    def _count_skipped(self, runner: Runner) -> None:
        self._is_skipped = False
        for buffer, value in self._buffers:
            buffer.copy_(value)
        count = runner.message_hub.get_info('skipped_steps', 0) + 1
        runner.message_hub.update_info('skipped_steps', count)
        step = described(*self._noted[-1])
        if count > self.max_skipped:
            raise NotFiniteError(
                f'{step}: a gradient is not finite; that makes {count} such steps, more than '
                f'max_skipped, {self.max_skipped}. {advice(runner)}'
            )
        runner.logger.warning(
            f'{step}: a gradient is not finite, the step is skipped ({count} of {self.max_skipped})'
        )

    def _check(self, runner: Runner) -> None:
        self._check_losses(runner)
        # A buffer may be a mask, with infinities.
        is_good = are_finite(runner.model.parameters()) & ~any_nan(runner.model.buffers())
        if not holds_in_all_processes(is_good):
            raise NotFiniteError(
                f'step {self._step}: the weights are not finite after it, though its loss is. '
                f'{advice(runner)}'
            )

    def _check_losses(self, runner: Runner) -> None:
        noted, self._noted = self._noted, []
        if self._handle is not None or not noted:
            return  # steps with such a loss are skipped, and counted
        is_finite = torch.stack([sum(losses.values()).isfinite() for _, _, losses in noted]).int()
        all_reduce(is_finite, 'min')
        allowed = self.interval - 1 if scales_loss(runner) else 0
        for step, value in zip(noted, is_finite.tolist()):
            self._not_finite_in_a_row = 0 if value else self._not_finite_in_a_row + 1
            if self._not_finite_in_a_row > allowed:
                raise NotFiniteError(f'{described(*step)}: not finite. {advice(runner)}')


def scales_loss(runner: Runner) -> bool:
    """Whether the optimizer wrapper is AmpOptimWrapper, which skips steps by itself."""
    return hasattr(runner.optim_wrapper, 'loss_scaler')


def is_saved_now(runner: Runner) -> bool:
    """Whether the present iteration ends with a checkpoint."""
    return any(
        not hook.by_epoch and (
            hook.every_n_train_iters(runner, hook.interval, hook.save_begin) or
            (hook.save_last and hook.is_last_train_iter(runner))
        ) for hook in runner.hooks if isinstance(hook, CheckpointHook)
    )


def own_part(tensor: Tensor) -> Tensor:
    """What of a tensor is in this process."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def are_finite(tensors: Iterable[Tensor]) -> Tensor:
    """Whether no number is NaN or infinite, on the tensors' device."""
    found = [own_part(tensor).isfinite().all() for tensor in tensors]
    return torch.stack(found).all() if found else torch.tensor(True)


def any_nan(tensors: Iterable[Tensor]) -> Tensor:
    """Whether a number is NaN, on the tensors' device."""
    found = [own_part(tensor).isnan().any() for tensor in tensors]
    return torch.stack(found).any() if found else torch.tensor(False)


def holds_in_all_processes(condition: Tensor) -> bool:
    """Whether a condition is true in each of the processes."""
    count = condition.int()
    all_reduce(count, 'min')
    return bool(count)


def described(step: int, rate: float, losses: dict[str, Tensor]) -> str:
    """A step in words."""
    values = ', '.join(f'{name} {value.item():.4g}' for name, value in losses.items())
    return f'step {step} ({values}, learning rate {rate:.3g})'


def advice(runner: Runner) -> str:
    """What is left, and what to do."""
    checkpoint = runner.message_hub.get_info('last_ckpt')
    kept = f'The last checkpoint is {checkpoint}' if checkpoint else 'There is no checkpoint yet'
    return (
        f'{kept}: lower optim_wrapper.optimizer.lr (a resume takes it with --resume-schedule '
        'config), clip gradients (optim_wrapper.clip_grad), or allow some such steps to be skipped '
        '(default_hooks.finite_loss.max_skipped)'
    )

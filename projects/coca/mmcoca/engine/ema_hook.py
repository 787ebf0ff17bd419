# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Exponential moving averages of the weights, which evaluation and checkpoints then have."""

from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from mmcoca.errors import SettingError
from mmcoca.registry import HOOKS

KEY = 'ema_state_dict'  # of MMEngine's hook too, with the same content


@HOOKS.register_module()
class EMAHook(Hook):
    """Average the weights over the steps; evaluate the averages, and write them to checkpoints.

    After each step an average becomes (1 - momentum) average + momentum weight (the paper: 1e-4,
    section 4.1 of arXiv 2205.01917). `state_dict` of a checkpoint, which every tool reads, has the
    averages; what the optimizer goes on with stands beside it. A checkpoint of MMEngine's EMAHook
    is resumed too, and one without averages starts them anew. Buffers are not averaged.

    Args:
        momentum: The part of the new weights.
        begin_iter: The step, counted from 0, after which the averages are the weights themselves.

    Raises SettingError for a momentum that is not between 0 and 1.
    """

    # After the optimizer's step and the check of losses, before a checkpoint is saved.
    priority = 'NORMAL'

    def __init__(self, momentum: float = 1e-4, begin_iter: int = 0) -> None:
        if not 0 < momentum < 1:
            raise SettingError(f'momentum={momentum} of EMAHook: use a number between 0 and 1')
        self.momentum = momentum
        self.begin_iter = begin_iter
        self._averages: dict[str, Tensor] | None = None
        self._resumed: dict[str, Tensor] | None = None
        self._is_swapped = False

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Give the runner the weights to go on with, and keep the averages."""
        if runner._resume and KEY in checkpoint:
            start = 'module.'
            weights = {
                name.removeprefix(start): value
                for name, value in checkpoint[KEY].items()
                if name.startswith(start)
            }
            self._resumed = checkpoint['state_dict']
            checkpoint['state_dict'] = checkpoint['state_dict'] | weights

    def before_train(self, runner: Runner) -> None:
        """Begin with the weights, or with the averages of the checkpoint."""
        self._averages = {name: parameter.detach().clone() for name, parameter in averaged(runner)}
        if self._resumed is not None:
            unwrapped(runner).load_state_dict(self._resumed)
            self._swap(runner)
            self._resumed = None

    @torch.no_grad()
    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Move the averages."""
        part = self.momentum if runner.iter > self.begin_iter else 1.0
        averages, weights = zip(*((self._averages[n], p.detach()) for n, p in averaged(runner)))
        torch._foreach_lerp_(averages, weights, part)

    def before_val_epoch(self, runner: Runner) -> None:
        """Evaluate the averages."""
        if self._averages is not None:
            self._swap(runner)
            self._is_swapped = True

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Go on with the weights."""
        if self._is_swapped:
            runner.model.train()  # a model in parts has them again
            self._swap(runner)
            self._is_swapped = False

    @torch.no_grad()
    def _swap(self, runner: Runner) -> None:
        """Exchange the values of weights and averages."""
        for name, parameter in averaged(runner):
            value = parameter.detach().clone()
            parameter.copy_(self._averages[name])
            self._averages[name].copy_(value)

    def state_dict(self) -> dict[str, Tensor]:
        """The averages."""
        return dict(self._averages or {})

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put the averages in the place of the weights."""
        averages = self.state_dict()
        if averages:
            weights, names = checkpoint['state_dict'], names_of_averages(runner)
            checkpoint[KEY] = {f'module.{name}': weights[name] for name in names}
            checkpoint['state_dict'] = weights | {
                name: averages[average].cpu().view_as(weights[name])
                for name, average in names.items()
            }


def names_of_averages(runner: Runner) -> dict[str, str]:
    """Each averaged parameter's name in a checkpoint, of tied ones all, and its average's name."""
    names = {id(parameter): name for name, parameter in averaged(runner)}
    every = unwrapped(runner).named_parameters(remove_duplicate=False)
    return {name: names[id(parameter)] for name, parameter in every if id(parameter) in names}


def unwrapped(runner: Runner) -> nn.Module:
    """The model itself."""
    return getattr(runner.model, 'module', runner.model)


def averaged(runner: Runner) -> list[tuple[str, nn.Parameter]]:
    """Names and parameters that are averaged: those that learn."""
    return [(n, p) for n, p in unwrapped(runner).named_parameters() if p.requires_grad]

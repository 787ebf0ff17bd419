# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""How much of the device's peak a training uses, in its log."""

from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmcoca.models import CoCa
from mmcoca.peaks import peak_of
from mmcoca.registry import HOOKS

# Of batches and texts by which it is told how operations grow.
PAIRS = 2, 4
LENGTHS = 8, 16


@HOOKS.register_module()
class UtilizationHook(Hook):
    """Log `mfu`, the percentage of the peak that the model's operations are (arXiv 2204.02311).

    Operations are those of one forward and one backward pass over the pairs and their tokens,
    whatever is computed twice to save memory; the time is that of a step with data loading. Nothing
    is logged without a known peak, nor for another model than a CoCa in pretraining.

    Args:
        peak: Operations a second of one process's device; None: that of a known GPU for 16 bits.

    Attributes:
        of_pair, of_token: Operations of a pair without its text, and of a token of texts.
    """

    def __init__(self, peak: float | None = None) -> None:
        self.peak = peak

    def before_train(self, runner: Runner) -> None:
        """Count the operations that a pair and a token add to a step."""
        if self.peak is None and torch.cuda.is_available():
            self.peak = peak_of(torch.cuda.get_device_name())
        model = getattr(runner.model, 'module', runner.model)
        if type(model) is not CoCa:
            self.peak = None
        if self.peak is None:
            return
        from mmcoca.models.step_cost import StepWithoutValues  # a large part of torch

        step = StepWithoutValues(dict(runner.cfg.model, micro_batch_size=None))
        (few, many), (short, long) = PAIRS, LENGTHS
        operations = step.cost(few, short).operations
        more_text = step.cost(few, long).operations - operations
        more_pairs = step.cost(many, short).operations - operations
        self.of_token = more_text / (few * (long - short))
        self.of_pair = more_pairs / (many - few) - self.of_token * short

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Divide the batch's operations by the time that IterTimerHook has for the iteration."""
        if self.peak is None or 'texts' not in data_batch:
            return
        (texts, ) = data_batch['texts']
        operations = self.of_pair * len(texts.lengths) + self.of_token * int(texts.lengths.sum())
        seconds = runner.message_hub.get_scalar('train/time').current()
        runner.message_hub.update_scalar('train/mfu', 100 * operations / seconds / self.peak)

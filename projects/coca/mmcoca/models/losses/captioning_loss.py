# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The captioning loss: cross entropy of the next token."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmcoca.registry import MODELS

from ..joined_batch import num_processes, sum_of_processes, with_joined_value
from ..layers import at_least_float32


def token_cross_entropy(
    states: Tensor, output_weight: Tensor, targets: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Summed cross entropy of states (T,D) with the output matrix (V,D) and targets (T,).

    A target of -100 counts nothing.
    """
    logits = F.linear(states, output_weight)
    return F.cross_entropy(
        at_least_float32(logits), targets, reduction='sum', label_smoothing=label_smoothing
    )


def chunked_token_cross_entropy(
    states: Tensor,
    output_weight: Tensor,
    targets: Tensor,
    label_smoothing: float = 0.0,
    chunk_size: int = 4096,
) -> Tensor:
    """`token_cross_entropy` that holds the logits of `chunk_size` tokens at a time.

    With several chunks each one's logits are computed again in the backward pass, so that memory
    does not grow with the number of tokens.
    """
    if len(targets) <= chunk_size:
        return token_cross_entropy(states, output_weight, targets, label_smoothing)
    parts = [
        checkpoint(
            token_cross_entropy, chunk, output_weight, target, label_smoothing, use_reentrant=False
        ) for chunk, target in zip(states.split(chunk_size), targets.split(chunk_size))
    ]
    return sum(parts)


def token_log_probabilities(
    states: Tensor, output_weight: Tensor, targets: Tensor, chunk_size: int = 4096
) -> Tensor:
    """Log-probabilities (T,) of targets (T,) after states (T,D), with the output matrix (V,D).

    0 for a target of -100. The logits of `chunk_size` tokens are held at a time.
    """
    parts = []
    for chunk, target in zip(states.split(chunk_size), targets.split(chunk_size)):
        logits = at_least_float32(F.linear(chunk, output_weight))
        parts.append(-F.cross_entropy(logits, target, reduction='none'))
    return torch.cat(parts)


@MODELS.register_module()
class CaptioningLoss(nn.Module):
    """Mean cross entropy over the tokens that have a target (Eq. 3), of all processes.

    Args:
        loss_weight: The paper's lambda_cap is 2. With 0 the model does not compute it.
        label_smoothing: 0 in the paper.
        chunk_size: Tokens whose logits are held at a time.
    """

    def __init__(
        self,
        loss_weight: float = 2.0,
        label_smoothing: float = 0.0,
        chunk_size: int = 4096
    ) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.label_smoothing = label_smoothing
        self.chunk_size = chunk_size

    def forward(self, states: Tensor, output_weight: Tensor, targets: Tensor) -> Tensor:
        """States (T,D), matrix (V,D), targets (T,), -100 for none -> the weighted mean."""
        total = self.total(states, output_weight, targets)
        return self.mean(total, (targets != -100).sum())

    def total(self, states: Tensor, output_weight: Tensor, targets: Tensor) -> Tensor:
        """States (T,D), matrix (V,D), targets (T,), -100 for none -> the sum over the targets."""
        return chunked_token_cross_entropy(
            states, output_weight, targets, self.label_smoothing, self.chunk_size
        )

    def mean(self, total: Tensor, num_targets: Tensor) -> Tensor:
        """A sum and the number of its targets -> the weighted mean over those of all processes."""
        of_all = sum_of_processes(num_targets)
        return with_joined_value(self.loss_weight * num_processes() * total / of_all)

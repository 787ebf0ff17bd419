# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The captioning loss: cross entropy of the next token."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from mmcoca.registry import MODELS

from ..joined_batch import num_processes, sum_of_processes, with_joined_value
from ..layers import at_least_float32


def token_cross_entropy(
    states: Tensor,
    output_weight: Tensor,
    targets: Tensor,
    label_smoothing: float = 0.0,
    chunk_size: int = 1024,
) -> Tensor:
    """Summed cross entropy of states (T,D) with the output matrix (V,D) and targets (T,).

    A target of -100 counts nothing. Loss and gradients are made together, for `chunk_size` tokens
    at a time, so that the logits (T,V) never exist and nothing is computed twice.
    """
    return TokenCrossEntropy.apply(states, output_weight, targets, label_smoothing, chunk_size)


class TokenCrossEntropy(torch.autograd.Function):
    """`token_cross_entropy`, whose forward pass makes the gradients too."""

    # torch's own linear_cross_entropy is not in the oldest torch that we support.

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        states: Tensor,
        output_weight: Tensor,
        targets: Tensor,
        label_smoothing: float,
        chunk_size: int,
    ) -> Tensor:
        """-> the sum, whose gradients are kept."""
        total, states_gradients, weight_gradient = 0.0, [], None
        for chunk, chunk_targets in zip(states.split(chunk_size), targets.split(chunk_size)):
            is_target = (chunk_targets != -100)[:, None]
            losses, gradient = cross_entropy_and_gradient(
                F.linear(chunk, output_weight), chunk_targets.clamp(min=0), label_smoothing
            )
            total = total + losses.where(is_target[:, 0], 0).sum()
            gradient = gradient.to(output_weight.dtype)
            if ctx.needs_input_grad[0]:
                states_gradients.append((gradient @ output_weight).to(states.dtype) * is_target)
            if ctx.needs_input_grad[1]:
                of_chunk = at_least_float32(gradient.mT @ (chunk * is_target))
                weight_gradient = of_chunk if weight_gradient is None else weight_gradient.add_(
                    of_chunk
                )
        states_gradient = torch.cat(states_gradients) if states_gradients else None
        ctx.save_for_backward(states_gradient, weight_gradient)
        ctx.weight_dtype = output_weight.dtype
        return total

    @staticmethod
    def backward(ctx: FunctionCtx, total_gradient: Tensor) -> tuple:
        """The kept gradients times that of the sum."""
        of_states, of_weight = ctx.saved_tensors
        if of_states is not None:
            of_states = of_states * total_gradient.to(of_states.dtype)
        if of_weight is not None:
            of_weight = (of_weight * total_gradient).to(ctx.weight_dtype)
        return of_states, of_weight, None, None, None


def cross_entropy_and_gradient(logits: Tensor, targets: Tensor,
                               label_smoothing: float) -> tuple[Tensor, Tensor]:
    """Logits (T,V), whose memory is used, and targets (T,) -> losses (T,), d losses / d logits.
    """
    log_probabilities = at_least_float32(logits).log_softmax(dim=-1)
    of_targets = log_probabilities.gather(1, targets[:, None])
    losses = -(1 - label_smoothing) * of_targets[:, 0]
    if label_smoothing:
        losses = losses - label_smoothing * log_probabilities.mean(dim=-1)
    gradient = log_probabilities.exp_()
    if label_smoothing:
        gradient -= label_smoothing / logits.shape[-1]
    certain = torch.full_like(of_targets, label_smoothing - 1)
    return losses, gradient.scatter_add_(1, targets[:, None], certain)


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
        chunk_size: int = 1024
    ) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.label_smoothing = label_smoothing
        self.chunk_size = chunk_size

    def forward(self, states: Tensor, output_weight: Tensor, targets: Tensor) -> Tensor:
        """States (T,D), matrix (V,D), targets (T,), -100 for none -> the weighted mean over the
        targets of all processes.
        """
        total = token_cross_entropy(
            states, output_weight, targets, self.label_smoothing, self.chunk_size
        )
        num_targets = sum_of_processes((targets != -100).sum())
        return with_joined_value(self.loss_weight * num_processes() * total / num_targets)

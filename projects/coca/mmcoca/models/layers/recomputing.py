# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A module whose activations are computed again in the backward pass instead of kept."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def recompute(part: nn.Module) -> None:
    """Keep the part's inputs alone, and run it again in the backward pass (arXiv 1604.06174).

    With the same random numbers, so that gradients are the same.
    """
    part.forward = MethodType(_forward_again, part)  # a copy of the part has its own


def is_recomputed(part: nn.Module) -> bool:
    """Whether `recompute` was called on it."""
    return 'forward' in vars(part)


def _forward_again(part: nn.Module, *args, **kwargs) -> Any:
    forward = type(part).forward
    if not torch.is_grad_enabled():
        return forward(part, *args, **kwargs)
    return checkpoint(forward, part, *args, use_reentrant=False, **kwargs)

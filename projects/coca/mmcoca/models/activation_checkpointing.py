# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Layers whose activations are computed again in the backward pass instead of kept."""

from __future__ import annotations

from collections.abc import Sequence
from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from .necks import AttentionalPooler


def layers_and_poolers(model: nn.Module) -> list[nn.Module]:
    """Each layer of a stack (a ModuleList named `layers`), and each attentional pooler."""
    layers = [
        layer for name, stack in model.named_modules()
        if name.rpartition('.')[2] == 'layers' and isinstance(stack, nn.ModuleList)
        for layer in stack
    ]
    return layers + [part for part in model.modules() if isinstance(part, AttentionalPooler)]


def checkpoint_activations(model: nn.Module, names: Sequence[str]) -> None:
    """Have the layers and poolers of these parts recompute.

    Raises ValueError for a name of no part, and for one name in place of a list.
    """
    parts = dict(model.named_modules())
    if isinstance(names, str) or not set(names) <= set(parts):
        raise ValueError(
            f'activation_checkpointing={names!r}: use a list of parts, as backbone, neck, text'
        )
    for name in names:
        for part in layers_and_poolers(parts[name]):
            recompute(part)


def recompute(part: nn.Module) -> None:
    """Keep the part's inputs alone, and run it again in the backward pass (arXiv 1604.06174).

    With the same random numbers, so that gradients are the same.
    """
    part.forward = MethodType(_forward_again, part)  # a copy of the part has its own


def recomputed_parts(model: nn.Module) -> list[nn.Module]:
    """The layers and poolers that recompute."""
    return [part for part in layers_and_poolers(model) if 'forward' in vars(part)]


def _forward_again(part: nn.Module, *args, **kwargs) -> Any:
    forward = type(part).forward
    if not torch.is_grad_enabled():
        return forward(part, *args, **kwargs)
    return checkpoint(forward, part, *args, use_reentrant=False, **kwargs)

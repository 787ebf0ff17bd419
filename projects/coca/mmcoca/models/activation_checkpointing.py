# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Layers whose activations are computed again in the backward pass instead of kept."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from .layers import is_recomputed, recompute
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


def recomputed_parts(model: nn.Module) -> list[nn.Module]:
    """The layers and poolers that recompute."""
    return [part for part in layers_and_poolers(model) if is_recomputed(part)]

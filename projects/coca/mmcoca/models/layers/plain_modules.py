# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Which modules may be computed by another way than by calling them."""

from __future__ import annotations

from torch import nn

HOOKS = ('_forward_hooks', '_forward_pre_hooks', '_backward_hooks', '_backward_pre_hooks')


def is_plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether a module is of exactly this type, and nothing watches or alters its call.

    Not so: an adapter (LoRA), a quantized or parametrized layer, and a module with hooks, as those
    of pruning, or with another `forward`.
    """
    is_altered = 'forward' in vars(module) or any(getattr(module, hooks) for hooks in HOOKS)
    return type(module) is kind and not is_altered

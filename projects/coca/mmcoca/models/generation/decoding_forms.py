# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A decoder's modules in forms with the same results that are faster for a token a step on a CPU.

A step computes few positions, so that its time goes into reading weights, and in cross-attention
into keys and values made for few queries.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from ..heads import CaptioningHead
from ..layers import is_plain

# Packing takes about as long as it saves in 6 steps; one row is no faster.
FEWEST_PACKED_ROWS = 8
FEWEST_PACKED_STEPS = 8


class PackedLinear(nn.Module):
    """A linear layer with a copy of its weight in oneDNN's blocked layout for so many rows.

    The operators are those that torch's compiler emits for frozen weights.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, rows: int) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight.default(weight.detach(), rows)
        self.bias = bias
        self.product = torch.ops.mkldnn._linear_pointwise.default

    def forward(self, x: Tensor) -> Tensor:
        """(...,inputs) -> (...,outputs)."""
        return self.product(x, self.weight, self.bias, 'none', [], '')


Forms = Mapping[type, Callable[[nn.Module], nn.Module]]


def is_memory_left(regional_tokens: Tensor, rows_per_image: int) -> bool:
    """Whether decoding is faster without keys and values of the tokens (B,Q,D).

    So it is for one caption an image, measured on CPUs in 32 and 64 bits.
    """
    is_plain_cpu = (
        regional_tokens.device.type == 'cpu' and not torch.is_autocast_enabled('cpu')
        and regional_tokens.dtype in (torch.float32, torch.float64)
    )
    return is_plain_cpu and rows_per_image == 1


def choose_forms(regional_tokens: Tensor, rows_per_image: int, max_length: int) -> Forms:
    """The forms that are faster for captions of tokens (B,Q,D), by the type they replace."""
    if regional_tokens.device.type != 'cpu' or torch.is_autocast_enabled('cpu'):
        return {}
    forms = {}
    rows = rows_per_image * len(regional_tokens)
    is_worthwhile = rows >= FEWEST_PACKED_ROWS and max_length >= FEWEST_PACKED_STEPS
    has_onednn = torch.backends.mkldnn.enabled and hasattr(torch.ops.mkldnn, '_linear_pointwise')
    if is_worthwhile and has_onednn and regional_tokens.dtype == torch.float32:
        forms[nn.Linear] = lambda linear: PackedLinear(linear.weight, linear.bias, rows)
        forms[CaptioningHead] = lambda head: PackedLinear(head.weight, None, rows)
    return forms


def with_forms(module: nn.Module, forms: Forms) -> nn.Module:
    """A copy in which plain modules of the forms' types are replaced; the others share weights.

    A module in which nothing is replaced is itself: not every one can be copied. So is what makes
    keys and values of the image, which decoding has done once before.
    """
    can_be_copied = type(module).__new__ is object.__new__  # not in parts (FSDP2)
    if is_parametrized(module) or not can_be_copied:
        return module
    if type(module) in forms and is_plain(module, type(module)):
        module = forms[type(module)](module)
    children = {
        name: child if child is None or name == 'key_value' else with_forms(child, forms)
        for name, child in module._modules.items()
    }
    if all(child is module._modules[name] for name, child in children.items()):
        return module
    result = copy.copy(module)
    result._modules = children
    return result

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
from ..layers import CrossAttention, attend_unprojected, is_plain
from ..layers.attention import merge_heads, split_heads

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


class UnprojectedCrossAttention(nn.Module):
    """Cross-attention to the memory itself, however many its queries become step by step."""

    def __init__(self, attention: CrossAttention) -> None:
        super().__init__()
        weight, bias = attention.key_value.weight.detach(), attention.key_value.bias.detach()
        self.num_heads = attention.num_heads
        self.query, self.proj = attention.query, attention.proj
        self.key_weight, self.value_weight = weight.unflatten(0, (2, self.num_heads, -1))
        self.value_bias = bias.chunk(2)[1]

    def project_memory(self, memory: Tensor, num_queries: None = None) -> tuple[Tensor]:
        """The memory (B,S,M) itself."""
        return (memory, )

    def forward(self, x: Tensor, memory: tuple[Tensor], packing: None = None) -> Tensor:
        """(R,new,D) and the (R,S,M) of `project_memory` -> (R,new,D)."""
        query = split_heads(self.query(x), self.num_heads)
        attended = attend_unprojected(
            query, *memory, self.key_weight, self.value_weight, self.value_bias
        )
        return self.proj(merge_heads(attended))


Forms = Mapping[type, Callable[[nn.Module], nn.Module]]


def choose_forms(regional_tokens: Tensor, rows_per_image: int, max_length: int) -> Forms:
    """The forms that are faster for captions of tokens (B,Q,D), by the type they replace."""
    if regional_tokens.device.type != 'cpu' or torch.is_autocast_enabled('cpu'):
        return {}
    forms = {}
    if rows_per_image == 1 and regional_tokens.dtype in (torch.float32, torch.float64):
        forms[CrossAttention] = unprojected
    rows = rows_per_image * len(regional_tokens)
    is_worthwhile = rows >= FEWEST_PACKED_ROWS and max_length >= FEWEST_PACKED_STEPS
    has_onednn = torch.backends.mkldnn.enabled and hasattr(torch.ops.mkldnn, '_linear_pointwise')
    if is_worthwhile and has_onednn and regional_tokens.dtype == torch.float32:
        forms[nn.Linear] = lambda linear: PackedLinear(linear.weight, linear.bias, rows)
        forms[CaptioningHead] = lambda head: PackedLinear(head.weight, None, rows)
    return forms


def unprojected(attention: CrossAttention) -> nn.Module:
    """The attention without keys and values, or itself where it cannot skip them."""
    return UnprojectedCrossAttention(attention) if attention.can_skip_projection else attention


def with_forms(module: nn.Module, forms: Forms) -> nn.Module:
    """A copy in which plain modules of the forms' types are replaced; the others share weights.

    A module in which nothing is replaced is itself: not every one can be copied.
    """
    if is_parametrized(module):
        return module
    if type(module) in forms and is_plain(module, type(module)):
        module = forms[type(module)](module)
    children = {
        name: None if child is None else with_forms(child, forms)
        for name, child in module._modules.items()
    }
    if all(child is module._modules[name] for name, child in children.items()):
        return module
    result = copy.copy(module)
    result._modules = children
    return result

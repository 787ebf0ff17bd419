# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A decoder's modules in forms with the same results that are faster for a token a step on a CPU.

A step computes few positions, so that its time goes into reading weights, and in cross-attention
into keys and values made for few queries.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..heads import CaptioningHead
from ..layers import CrossAttention

# Packing takes about as long as it saves in 6 steps; one row is no faster.
FEWEST_PACKED_ROWS = 8
FEWEST_PACKED_STEPS = 8


class PackedLinear(nn.Module):
    """A linear layer with a copy of its weight (N,K) in oneDNN's blocked layout for so many rows.

    The operators are those that torch's compiler emits for frozen weights.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, rows: int) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight.default(weight.detach(), rows)
        self.bias = bias
        self.product = torch.ops.mkldnn._linear_pointwise.default

    def forward(self, x: Tensor) -> Tensor:
        """(...,K) -> (...,N)."""
        return self.product(x, self.weight, self.bias, 'none', [], '')


class UnprojectedCrossAttention(nn.Module):
    """Cross-attention to the memory itself, without keys and values of it.

    A logit is query . (key_weight memory + key_bias): key_weight can be applied to the query
    instead, and what the bias adds is the same for all of the memory, which no softmax sees. The
    sum of values, likewise, is value_weight applied to the weighted sum of the memory. Each head
    then attends to all M channels: more products a query, less to read, nothing to make beforehand
    (as in DeepSeek-V2, arXiv 2405.04434, section 2.1).
    """

    def __init__(self, attention: CrossAttention) -> None:
        super().__init__()
        key_weight, value_weight = attention.key_value.weight.detach().chunk(2)
        self.num_heads = attention.num_heads
        self.query, self.proj = attention.query, attention.proj
        self.key_weight = key_weight.unflatten(0, (self.num_heads, -1))  # (heads,C,M)
        self.value_weight = value_weight.unflatten(0, (self.num_heads, -1)).transpose(1, 2)
        self.value_bias = attention.key_value.bias.detach().chunk(2)[1]

    def project_memory(self, memory: Tensor) -> tuple[Tensor]:
        """The memory (B,S,M) itself, as the single head (B,1,S,M) that all share."""
        return (memory[:, None], )

    def forward(self, x: Tensor, memory: tuple[Tensor], packing: None = None) -> Tensor:
        """(B,T,D) and the (B,1,S,M) of `project_memory` -> (B,T,D)."""
        batch_size, length, _ = x.shape
        query = self.query(x).view(batch_size * length, self.num_heads, -1)
        scale = query.shape[-1]**-0.5
        query = torch.bmm(query.transpose(0, 1), self.key_weight)  # (heads,B*T,M)
        query = query.unflatten(1, (batch_size, length)).transpose(0, 1).flatten(1, 2)
        attended = F.scaled_dot_product_attention(query[:, None], *memory, *memory, scale=scale)
        attended = attended.view(batch_size, self.num_heads, length, -1).transpose(0, 1)
        values = torch.bmm(attended.flatten(1, 2), self.value_weight)  # (heads,B*T,C)
        return self.proj(values.transpose(0, 1).reshape(x.shape) + self.value_bias)


Forms = Mapping[type, Callable[[nn.Module], nn.Module]]


def choose_forms(image_tokens: Tensor, rows_per_image: int, max_length: int) -> Forms:
    """The forms that are faster for captions of image tokens (B,Q,D), by the type they replace."""
    if image_tokens.device.type != 'cpu' or torch.is_autocast_enabled('cpu'):
        return {}
    forms = {}
    if rows_per_image == 1 and image_tokens.dtype in (torch.float32, torch.float64):
        forms[CrossAttention] = unprojected
    rows = rows_per_image * len(image_tokens)
    is_worthwhile = rows >= FEWEST_PACKED_ROWS and max_length >= FEWEST_PACKED_STEPS
    has_onednn = torch.backends.mkldnn.enabled and hasattr(torch.ops.mkldnn, '_linear_pointwise')
    if is_worthwhile and has_onednn and image_tokens.dtype == torch.float32:
        forms[nn.Linear] = lambda linear: PackedLinear(linear.weight, linear.bias, rows)
        forms[CaptioningHead] = lambda head: PackedLinear(head.weight, None, rows)
    return forms


def unprojected(attention: CrossAttention) -> nn.Module:
    """The attention without keys and values, or itself where these are normalised or capped."""
    if attention.logit_soft_cap is not None or not isinstance(attention.key_norm, nn.Identity):
        return attention
    return UnprojectedCrossAttention(attention)


def with_forms(module: nn.Module, forms: Forms) -> nn.Module:
    """A copy in which modules of the forms' exact types are replaced; the others share weights."""
    if type(module) in forms:
        module = forms[type(module)](module)
    result = copy.copy(module)
    result._modules = {
        name: None if child is None else with_forms(child, forms)
        for name, child in module._modules.items()
    }
    return result

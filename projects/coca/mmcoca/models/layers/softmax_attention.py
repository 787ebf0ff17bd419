# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Softmax attention, in the forms that are equal in their results and not in their cost."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    is_causal: bool = False,
    dropout_p: float = 0.0,
    mask: Tensor | None = None,
    logit_soft_cap: float | None = None,
) -> Tensor:
    """Softmax attention of queries (B,heads,A,C) over keys and values (B,heads,S,C).

    torch's fused kernel, but for a soft cap, which it does not have, and for bfloat16 on the CPU,
    where its backward pass is several times slower than two batched products.

    Args:
        mask: (B,1,A,S), True where a query may attend to a key.
        logit_soft_cap: As in `attention_logits`.
    """
    is_slow = query.device.type == 'cpu' and query.dtype == torch.bfloat16
    if is_slow or logit_soft_cap is not None:
        return attend_explicitly(query, key, value, is_causal, dropout_p, mask, logit_soft_cap)
    return F.scaled_dot_product_attention(query, key, value, mask, dropout_p, is_causal)


def attend_explicitly(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    is_causal: bool = False,
    dropout_p: float = 0.0,
    mask: Tensor | None = None,
    logit_soft_cap: float | None = None,
) -> Tensor:
    """`attend` by two batched products with the weights (B,heads,A,S) in between."""
    logits = attention_logits(query, key, logit_soft_cap)
    if is_causal:
        mask = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).tril()
    if mask is not None:
        logits = logits.masked_fill(~mask, float('-inf'))
    return F.dropout(logits.softmax(dim=-1), dropout_p) @ value


def attention_logits(query: Tensor, key: Tensor, soft_cap: float | None = None) -> Tensor:
    """Scaled products (B,heads,A,S) of queries (B,heads,A,C) and keys (B,heads,S,C).

    With a soft cap c each logit x becomes c tanh(x/c), so that none exceeds c (google-research/vila
    takes 50).
    """
    logits = query * query.shape[-1]**-0.5 @ key.transpose(-2, -1)
    return logits if soft_cap is None else soft_cap * torch.tanh(logits / soft_cap)


def attend_unprojected(
    query: Tensor,
    memory: Tensor,
    key_weight: Tensor,
    value_weight: Tensor,
    value_bias: Tensor,
    mask: Tensor | None = None,
) -> Tensor:
    """Queries (B,heads,A,C) over a memory (B,S,M) itself, without keys and values of it.

    A logit is query . (key_weight memory + key_bias): key_weight can be applied to the query
    instead, and what the bias adds is the same for all of the memory, which no softmax sees. The
    sum of values, likewise, is value_weight applied to the weighted sum of the memory. Each head
    then attends to all M channels: more products a query, none for the memory (as in DeepSeek-V2,
    arXiv 2405.04434, section 2.1). Returns (B,heads,A,C).

    Args:
        key_weight, value_weight: (heads,C,M). value_bias: (heads*C,).
        mask: (B,1,1,S), True where the queries may attend to the memory.
    """
    batch_size, num_heads, length, _ = query.shape
    logits = unprojected_logits(query, memory, key_weight)
    if mask is not None:
        logits = logits.masked_fill(~mask, float('-inf'))
    # (B,heads*A,S) by (B,S,M), then (heads,B*A,M).
    attended = torch.bmm(logits.softmax(dim=-1).flatten(1, 2), memory)
    attended = attended.unflatten(1, (num_heads, length)).transpose(0, 1).flatten(1, 2)
    values = torch.bmm(attended, value_weight.transpose(1, 2))  # (heads,B*A,C)
    values = values.unflatten(1, (batch_size, length)).transpose(0, 1)
    return values + value_bias.view(num_heads, 1, -1)


def unprojected_logits(query: Tensor, memory: Tensor, key_weight: Tensor) -> Tensor:
    """The logits (B,heads,A,S) of `attend_unprojected`, but for what is the same for all of S."""
    batch_size, num_heads, length, channels = query.shape
    query = query * channels**-0.5
    query = torch.bmm(query.transpose(0, 1).flatten(1, 2), key_weight)  # (heads,B*A,M)
    query = query.unflatten(1, (batch_size, length)).transpose(0, 1).flatten(1, 2)
    return torch.bmm(query, memory.transpose(1, 2)).unflatten(1, (num_heads, length))

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Multi-head self- and cross-attention, with the key/value caches that decoding needs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .packing import Packing


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """(B,T,D) -> (B,heads,T,D/heads)."""
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B,heads,T,D/heads) -> (B,T,D)."""
    return x.transpose(1, 2).flatten(-2)


def check_heads(dims: int, num_heads: int) -> None:
    """Raise ValueError if `num_heads` heads cannot share `dims` channels equally."""
    if dims % num_heads:
        raise ValueError(f'width {dims} does not divide into {num_heads} attention heads')


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    is_causal: bool = False,
    dropout_p: float = 0.0,
    mask: Tensor | None = None,
    logit_soft_cap: float | None = None,
) -> Tensor:
    """Softmax attention of queries (B,heads,T,C) over keys and values (B,heads,S,C).

    torch's fused kernel, but for a soft cap, which it does not have, and for bfloat16 on the CPU,
    where its backward pass is several times slower than two batched products.

    Args:
        mask: (B,1,T,S), True where a query may attend to a key.
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
    """`attend` by two batched products with the weights (B,heads,T,S) in between."""
    logits = attention_logits(query, key, logit_soft_cap)
    if is_causal:
        mask = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).tril()
    if mask is not None:
        logits = logits.masked_fill(~mask, float('-inf'))
    return F.dropout(logits.softmax(dim=-1), dropout_p) @ value


def attention_logits(query: Tensor, key: Tensor, soft_cap: float | None = None) -> Tensor:
    """Scaled products (B,heads,T,S) of queries (B,heads,T,C) and keys (B,heads,S,C).

    With a soft cap c each logit x becomes c tanh(x/c), so that none exceeds c (google-research/vila
    takes 50).
    """
    logits = query * query.shape[-1]**-0.5 @ key.transpose(-2, -1)
    return logits if soft_cap is None else soft_cap * torch.tanh(logits / soft_cap)


class SelfAttentionCache:
    """Keys and values of the tokens decoded so far, in room reserved once.

    Shapes: keys and values (B,heads,max_length,D/heads), of which `length` positions are filled.
    """

    def __init__(self, max_length: int) -> None:
        self.max_length = max_length
        self.length = 0
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add (B,heads,T,D/heads) keys and values; return all that are filled."""
        if self.keys is None:
            shape = (*key.shape[:2], self.max_length, key.shape[-1])
            self.keys, self.values = key.new_empty(shape), value.new_empty(shape)
        end = self.length + key.shape[2]
        self.keys[:, :, self.length:end] = key
        self.values[:, :, self.length:end] = value
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def select(self, rows: Tensor) -> None:
        """Keep the given rows of the batch, in their order; a row may be kept several times."""
        filled = self.keys[rows, :, :self.length], self.values[rows, :, :self.length]
        if len(rows) != len(self.keys):
            shape = (len(rows), *self.keys.shape[1:])
            self.keys, self.values = self.keys.new_empty(shape), self.values.new_empty(shape)
        self.keys[:, :, :self.length], self.values[:, :, :self.length] = filled


class MultiHeadAttention(nn.Module):
    """What self- and cross-attention share: heads, and the options of their logits.

    Args:
        qk_norm: A LayerNorm over the channels of each head's queries, and one of its keys, keeps
            the logits from growing (arXiv 2302.05442, section 2).
        logit_soft_cap: As in `attention_logits`.

    Raises ValueError if the heads cannot share the width equally, or for a cap of 0 or less.
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        qk_norm: bool = False,
        logit_soft_cap: float | None = None
    ) -> None:
        super().__init__()
        check_heads(dims, num_heads)
        if logit_soft_cap is not None and logit_soft_cap <= 0:
            raise ValueError(f'logit_soft_cap {logit_soft_cap} is not positive')
        self.num_heads = num_heads
        self.logit_soft_cap = logit_soft_cap
        head_dims = dims // num_heads
        self.query_norm = nn.LayerNorm(head_dims) if qk_norm else nn.Identity()
        self.key_norm = nn.LayerNorm(head_dims) if qk_norm else nn.Identity()


class SelfAttention(MultiHeadAttention):
    """Causal multi-head self-attention, (B,L,D) -> (B,L,D)."""

    def __init__(self, dims: int, num_heads: int, **options) -> None:
        super().__init__(dims, num_heads, **options)
        self.qkv = nn.Linear(dims, 3 * dims)
        self.proj = nn.Linear(dims, dims)

    def forward(
        self,
        x: Tensor,
        cache: SelfAttentionCache | None = None,
        packing: Packing | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Attend causally, or as the mask (B,1,L,S) says; with a packing, `x` is (T,D), packed.

        With a cache, `x` is what follows the cached tokens: all of them if the cache is empty,
        else a single one.
        """
        qkv = self.qkv(x) if packing is None else packing.pad(self.qkv(x))
        query, key, value = (split_heads(t, self.num_heads) for t in qkv.chunk(3, dim=-1))
        query, key = self.query_norm(query), self.key_norm(key)
        if cache is not None:
            key, value = cache.append(key, value)
        # A single token that follows the cache sees everything, so it needs no mask.
        is_causal = mask is None and query.shape[2] > 1
        x = merge_heads(
            attend(query, key, value, is_causal, mask=mask, logit_soft_cap=self.logit_soft_cap)
        )
        return self.proj(x if packing is None else packing.pack(x))


class CrossAttention(MultiHeadAttention):
    """Multi-head attention of queries (B,T,D) over a memory (B,S,M) -> (B,T,D)."""

    def __init__(
        self, dims: int, num_heads: int, memory_dims: int | None = None, **options
    ) -> None:
        super().__init__(dims, num_heads, **options)
        self.query = nn.Linear(dims, dims)
        self.key_value = nn.Linear(memory_dims or dims, 2 * dims)
        self.proj = nn.Linear(dims, dims)

    def project_memory(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B,heads,S,D/heads) of a memory (B,S,M), to be computed once."""
        key, value = (split_heads(t, self.num_heads) for t in self.key_value(memory).chunk(2, -1))
        return self.key_norm(key), value

    def forward(
        self,
        x: Tensor,
        keys_values: tuple[Tensor, Tensor],
        packing: Packing | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Attend from `x` to keys and values of `project_memory`; with a packing, `x` is (T,D).

        `x` may be (R,T,D), where each of the B memories belongs to R/B rows next to each other.
        A mask, (B,1,T,S) or (B,1,1,S), is True where a query may attend to a key.
        """
        query = self.query(x) if packing is None else packing.pad(self.query(x))
        query = query.reshape(len(keys_values[0]), -1, query.shape[-1])
        query = self.query_norm(split_heads(query, self.num_heads))
        attended = merge_heads(
            attend(query, *keys_values, mask=mask, logit_soft_cap=self.logit_soft_cap)
        )
        return self.proj(attended.view_as(x) if packing is None else packing.pack(attended))

    def attention_weights(self, x: Tensor, key: Tensor) -> Tensor:
        """Weights (B,heads,T,S) of `x` (B,T,D) on keys of `project_memory`: for pictures."""
        query = self.query_norm(split_heads(self.query(x), self.num_heads))
        return attention_logits(query, key, self.logit_soft_cap).softmax(dim=-1)

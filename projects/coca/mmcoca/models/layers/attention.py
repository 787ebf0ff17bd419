# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Multi-head self- and cross-attention, with the key/value caches that decoding needs."""

from __future__ import annotations

from torch import Tensor, nn

from .memory import Memory, ProjectedMemory, UnprojectedMemory, is_faster_unprojected
from .packing import Packing
from .plain_modules import is_plain
from .softmax_attention import attend


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """(B,A,D) -> (B,heads,A,C)."""
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B,heads,A,C) -> (B,A,D)."""
    return x.transpose(1, 2).flatten(-2)


def check_heads(dims: int, num_heads: int) -> None:
    """Raise ValueError if `num_heads` heads cannot share `dims` channels equally."""
    if dims % num_heads:
        raise ValueError(f'width {dims} does not divide into {num_heads} attention heads')


class SelfAttentionCache:
    """Keys and values of the tokens decoded so far, in room reserved once.

    Shapes: keys and values (R,heads,max_length,C), of which `length` positions are filled.
    """

    def __init__(self, max_length: int) -> None:
        self.max_length = max_length
        self.length = 0
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add (R,heads,new,C) keys and values; return all that are filled."""
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
        self.dims = dims
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
        """Attend causally, or as the mask (B,1,A,S) says; with a packing, `x` is (T,D), packed.

        With a cache, `x` is what follows the cached tokens: all of them if the cache is empty,
        else a single one.
        """
        qkv = self.qkv(x) if packing is None else packing.pad(self.qkv(x))
        query, key, value = (split_heads(t, self.num_heads) for t in qkv.chunk(3, dim=-1))
        query, key = self.query_norm(query), self.key_norm(key)
        follows = cache is not None and cache.length > 0
        if cache is not None:
            key, value = cache.append(key, value)
        # A single token that follows the cache sees everything, so it needs no mask.
        is_causal = mask is None and not follows
        x = merge_heads(
            attend(query, key, value, is_causal, mask=mask, logit_soft_cap=self.logit_soft_cap)
        )
        return self.proj(x if packing is None else packing.pack(x))


class CrossAttention(MultiHeadAttention):
    """Multi-head attention of queries (B,A,D) over a memory (B,S,M) -> (B,A,D)."""

    def __init__(
        self, dims: int, num_heads: int, memory_dims: int | None = None, **options
    ) -> None:
        super().__init__(dims, num_heads, **options)
        self.query = nn.Linear(dims, dims)
        self.key_value = nn.Linear(memory_dims or dims, 2 * dims)
        self.proj = nn.Linear(dims, dims)

    @property
    def can_skip_projection(self) -> bool:
        """Whether queries can attend to a memory itself: not to what is normalised or capped, nor
        past a projection that is more than its weight."""
        is_bare = self.logit_soft_cap is None and isinstance(self.key_norm, nn.Identity)
        return is_bare and is_plain(self.key_value, nn.Linear)

    def project_memory(self, memory: Tensor) -> ProjectedMemory:
        """Keys and values of a memory (B,S,M), to be computed once."""
        key, value = (split_heads(t, self.num_heads) for t in self.key_value(memory).chunk(2, -1))
        return ProjectedMemory(self.key_norm(key), value, self.logit_soft_cap)

    def leave_memory(self, memory: Tensor) -> Memory:
        """A memory (B,S,M) as it is, to be attended to itself where that can be done."""
        if not self.can_skip_projection:
            return self.project_memory(memory)
        key_weight, value_weight = self.key_value.weight.unflatten(0, (2, self.num_heads, -1))
        return UnprojectedMemory(memory, key_weight, value_weight, self.key_value.bias.chunk(2)[1])

    def read_once(self, memory: Tensor, num_queries: int) -> Memory:
        """A memory (B,S,M) in the form that is faster for one call with so many queries (A)."""
        sizes = num_queries, memory.shape[1], self.num_heads, self.dims
        if is_faster_unprojected(*sizes, memory.device):
            return self.leave_memory(memory)
        return self.project_memory(memory)

    def forward(
        self,
        x: Tensor,
        memory: Memory,
        packing: Packing | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Attend from `x` to a memory of one of the methods above; with a packing, `x` is (T,D).

        `x` may be (1,A,D), the same for all memories, or (R,A,D), where each of the B memories
        belongs to R/B rows next to each other. A mask (B,1,1,S) is True where a query may attend.
        """
        batch_size = memory.batch_size
        query = self.query(x) if packing is None else packing.pad(self.query(x))
        if query.shape[0] == 1:
            query = query.expand(batch_size, -1, -1)
        heads = split_heads(query.reshape(batch_size, -1, query.shape[-1]), self.num_heads)
        attended = merge_heads(memory.attend(self.query_norm(heads), mask)).view_as(query)
        return self.proj(attended if packing is None else packing.pack(attended))

    def attention_weights(self, x: Tensor, memory: Memory) -> Tensor:
        """Weights (B,heads,A,S) of `x` (B,A,D) on a memory of one of the methods above."""
        return memory.weights(self.query_norm(split_heads(self.query(x), self.num_heads)))

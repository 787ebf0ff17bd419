# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What cross-attention reads: keys and values made once, or the memory itself."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .softmax_attention import attend, attend_unprojected, attention_logits, unprojected_logits


class ProjectedMemory(NamedTuple):
    """Keys and values (B,heads,S,C), for many queries or many calls.

    logit_soft_cap: as in `attention_logits`.
    """

    keys: Tensor
    values: Tensor
    logit_soft_cap: float | None = None

    @property
    def batch_size(self) -> int:
        """B."""
        return self.keys.shape[0]

    def attend(self, query: Tensor, mask: Tensor | None = None) -> Tensor:
        """Queries (B,heads,A,C) -> (B,heads,A,C). Mask (B,1,1,S): True where they may attend."""
        return attend(query, self.keys, self.values, mask=mask, logit_soft_cap=self.logit_soft_cap)

    def weights(self, query: Tensor) -> Tensor:
        """Queries (B,heads,A,C) -> their attention (B,heads,A,S): for pictures."""
        return attention_logits(query, self.keys, self.logit_soft_cap).softmax(dim=-1)

    def select(self, rows: Tensor) -> ProjectedMemory:
        """That of these rows of the batch."""
        return self._replace(keys=self.keys[rows], values=self.values[rows])


class UnprojectedMemory(NamedTuple):
    """The memory (B,S,M) itself and what makes keys and values of it, for few queries.

    key_weight, value_weight (heads,C,M), value_bias (heads*C,): see `attend_unprojected`.
    """

    memory: Tensor
    key_weight: Tensor
    value_weight: Tensor
    value_bias: Tensor

    @property
    def batch_size(self) -> int:
        """B."""
        return self.memory.shape[0]

    def attend(self, query: Tensor, mask: Tensor | None = None) -> Tensor:
        """As ProjectedMemory.attend."""
        return attend_unprojected(query, *self, mask)

    def weights(self, query: Tensor) -> Tensor:
        """As ProjectedMemory.weights."""
        return unprojected_logits(query, self.memory, self.key_weight).softmax(dim=-1)

    def select(self, rows: Tensor) -> UnprojectedMemory:
        """As ProjectedMemory.select."""
        return self._replace(memory=self.memory[rows])


Memory = ProjectedMemory | UnprojectedMemory

# What it costs to reorder a head's query and result, as so many more tokens of the memory that it
# attends to; measured on a CPU. No other device was measured: there, keys and values are made.
REORDERING = dict(cpu=40)


def is_faster_unprojected(
    num_queries: int, memory_length: int, num_heads: int, dims: int, device: torch.device
) -> bool:
    """Whether one call of A queries is faster without keys and values of a memory of S tokens.

    Both sides are products an image, divided by 2 M: keys and values take S D; queries that attend
    to the memory itself take A D to be brought to it and back, and A S in each head.
    """
    if device.type not in REORDERING:
        return False
    of_a_query = dims + num_heads * (memory_length + REORDERING[device.type])
    return num_queries * of_a_query <= memory_length * dims

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

# Queries of all heads over a memory itself take 2 A products a head for each of its channels, keys
# and values of it 2 C; the rest is what reordering costs. Up to this part of the width D the former
# is faster, measured on a CPU. No other device was measured: there, keys and values are made.
UNPROJECTED_PART = dict(cpu=0.75)


def is_faster_unprojected(
    num_queries: int, num_heads: int, dims: int, device: torch.device
) -> bool:
    """Whether one call of so many queries (A) is faster without keys and values of the memory."""
    return num_queries * num_heads <= UNPROJECTED_PART.get(device.type, 0.0) * dims

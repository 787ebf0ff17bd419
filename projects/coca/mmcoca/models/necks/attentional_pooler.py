# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Attentional pooling, and how CoCa's two poolers are arranged."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmcoca.registry import MODELS

from ..layers import CrossAttention, init_transformer_weights


@MODELS.register_module()
class AttentionalPooler(BaseModule):
    """One multi-head attention layer with learned queries, then LayerNorm: (B,N,W) -> (B,Q,D).

    Paper section 3.2, "Attentional poolers"; the LayerNorm on its output follows
    google-research/vila.
    """

    def __init__(
        self,
        num_queries: int,
        dims: int,
        memory_dims: int,
        num_heads: int,
        query_std: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.queries = nn.Parameter(torch.empty(num_queries, dims))
        self.attention = CrossAttention(dims, num_heads, memory_dims)
        self.norm = nn.LayerNorm(dims)
        self.apply(init_transformer_weights)
        # As in open_clip: with smaller queries all would start by reading the same average.
        nn.init.normal_(self.queries, std=query_std)

    def forward(self, memory: Tensor) -> Tensor:
        """(B,N,W) -> (B,Q,D)."""
        queries = self.queries.expand(memory.shape[0], -1, -1)
        return self.norm(self.attention(queries, self.attention.project_memory(memory)))

    def attention_weights(self, memory: Tensor) -> Tensor:
        """Weights (B,heads,Q,N) with which each query reads the memory: for pictures."""
        queries = self.queries.expand(memory.shape[0], -1, -1)
        return self.attention.attention_weights(queries, memory)


@MODELS.register_module()
class TaskPoolers(BaseModule):
    """The contrastive and the captioning pooler: (B,N,W) -> (B,1,D) global, (B,Q,D) regional.

    mode 'cascade': the contrastive query reads the captioning pooler's output (the paper's best,
    Table 8); 'parallel': both read the encoder. Raises ValueError for another mode.
    """

    def __init__(
        self,
        dims: int,
        memory_dims: int,
        num_heads: int,
        num_queries: int = 256,
        mode: str = 'cascade',
        query_std: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if mode not in ('cascade', 'parallel'):
            raise ValueError(f"pooler mode '{mode}' is unknown: use 'cascade' or 'parallel'")
        self.mode = mode
        self.dims = dims
        self.captioning_pooler = AttentionalPooler(
            num_queries, dims, memory_dims, num_heads, query_std
        )
        self.contrastive_pooler = AttentionalPooler(
            1, dims, dims if mode == 'cascade' else memory_dims, num_heads, query_std
        )

    def forward(self, image_tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Encoder output (B,N,W) -> (B,1,D) for the contrastive loss, (B,Q,D) for captions."""
        regional = self.captioning_pooler(image_tokens)
        source = regional if self.mode == 'cascade' else image_tokens
        return self.contrastive_pooler(source), regional

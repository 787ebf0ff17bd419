# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Attentional pooling, and the arrangements of the contrastive and the captioning queries."""

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

    Args:
        num_queries: Q. dims: D. memory_dims: W.
        query_std: Deviation of the queries at the start.
        norm_inputs: LayerNorms of the queries and of the memory, as in open_clip.
        attention_cfg: Options of the attention, `qk_norm` and `logit_soft_cap`.

    The queries start normal with deviation 1, as open_clip's: with smaller ones all would start by
    reading the same average. The attention starts Xavier-uniform, as torch's own.
    """

    def __init__(
        self,
        num_queries: int,
        dims: int,
        memory_dims: int,
        num_heads: int,
        query_std: float = 1.0,
        norm_inputs: bool = False,
        attention_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.queries = nn.Parameter(torch.empty(num_queries, dims))
        self.query_norm = nn.LayerNorm(dims) if norm_inputs else nn.Identity()
        self.memory_norm = nn.LayerNorm(memory_dims) if norm_inputs else nn.Identity()
        self.attention = CrossAttention(dims, num_heads, memory_dims, **(attention_cfg or {}))
        self.norm = nn.LayerNorm(dims)
        self.apply(init_transformer_weights)
        nn.init.normal_(self.queries, std=query_std)

    def forward(self, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B,N,W) -> (B,Q,D); with a mask (B,N), only what is True there is read."""
        queries = self.query_norm(self.queries)[None]
        memory = self.attention.read_once(self.memory_norm(memory), len(self.queries))
        if mask is not None:
            mask = mask[:, None, None]  # the same for all heads and queries
        return self.norm(self.attention(queries, memory, mask=mask))

    def attention_weights(self, memory: Tensor) -> Tensor:
        """Weights (B,heads,Q,N) with which each query reads the memory: for pictures."""
        queries = self.query_norm(self.queries)[None]
        memory = self.attention.project_memory(self.memory_norm(memory))
        return self.attention.attention_weights(queries, memory)


@MODELS.register_module()
class TaskPoolers(BaseModule):
    """The contrastive and the captioning pooler: (B,N,W) -> (B,1,D) global, (B,Q,D) regional.

    mode 'cascade': the contrastive query reads the captioning pooler's output (the paper's best,
    Table 8); 'parallel': both read the encoder. Raises ValueError for another mode.

    Attributes:
        contrastive_parts, captioning_parts: Names of what serves one of the losses alone; in the
            cascade the captioning pooler serves both.
    """

    def __init__(
        self,
        dims: int,
        memory_dims: int,
        num_heads: int,
        num_queries: int = 256,
        mode: str = 'cascade',
        query_std: float = 1.0,
        attention_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if mode not in ('cascade', 'parallel'):
            raise ValueError(f"pooler mode '{mode}' is unknown: use 'cascade' or 'parallel'")
        self.mode = mode
        self.contrastive_parts = ('contrastive_pooler', )
        self.captioning_parts = ('captioning_pooler', ) if mode == 'parallel' else ()
        self.dims = dims
        self.memory_dims = memory_dims
        self.regional_dims = dims
        self.captioning_pooler = AttentionalPooler(
            num_queries, dims, memory_dims, num_heads, query_std, attention_cfg=attention_cfg
        )
        self.contrastive_pooler = AttentionalPooler(
            1,
            dims,
            dims if mode == 'cascade' else memory_dims,
            num_heads,
            query_std,
            attention_cfg=attention_cfg
        )

    def forward(self, image_tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Encoder output (B,N,W) -> (B,1,D) for the contrastive loss, (B,Q,D) for captions."""
        regional = self.captioning_pooler(image_tokens)
        source = regional if self.mode == 'cascade' else image_tokens
        return self.contrastive_pooler(source), regional

    def captioning_attention(self, image_tokens: Tensor) -> Tensor:
        """Weights (B,heads,Q,N) of the caption queries on the image tokens: for pictures."""
        return self.captioning_pooler.attention_weights(image_tokens)


@MODELS.register_module()
class SharedPooler(BaseModule):
    """open_clip's single pooler: its first query is contrastive, the others are for captions.

    (B,N,W) -> (B,1,D) global, (B,Q,D) regional, where `num_queries` is Q + 1. All but the query
    serves both losses, so that without one of them nothing here stays as it is: its query, a row
    among the others, still decays. Raises ValueError for fewer than 2.
    """

    def __init__(
        self,
        dims: int,
        memory_dims: int,
        num_heads: int,
        num_queries: int = 256,
        query_std: float = 1.0,
        attention_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if num_queries < 2:
            raise ValueError(f'num_queries {num_queries} leaves no query for captions')
        self.dims = dims
        self.memory_dims = memory_dims
        self.regional_dims = dims
        self.pooler = AttentionalPooler(
            num_queries,
            dims,
            memory_dims,
            num_heads,
            query_std,
            norm_inputs=True,
            attention_cfg=attention_cfg
        )

    def forward(self, image_tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Encoder output (B,N,W) -> (B,1,D) for the contrastive loss, (B,Q,D) for captions."""
        tokens = self.pooler(image_tokens)
        # Contiguous, since each multimodal layer normalises the regional tokens.
        return tokens[:, :1], tokens[:, 1:].contiguous()

    def captioning_attention(self, image_tokens: Tensor) -> Tensor:
        """Weights (B,heads,Q,N) of the caption queries on the image tokens: for pictures."""
        return self.pooler.attention_weights(image_tokens)[:, :, 1:]

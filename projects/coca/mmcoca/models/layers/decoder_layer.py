# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The kinds of decoder layers: unimodal (text alone) and multimodal (text and image)."""

from __future__ import annotations

from torch import Tensor, nn

from .attention import CrossAttention, SelfAttention, SelfAttentionCache
from .memory import Memory
from .mlp import MLP
from .packing import Packing


class UnimodalLayer(nn.Module):
    """Pre-norm causal self-attention and MLP, no cross-attention (paper section 3.2).

    Args:
        attention_cfg: Options of the attention layers, as in `MultiHeadAttention`.
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        mlp_dims: int,
        dropout: float = 0.0,
        attention_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        self.self_attention_norm = nn.LayerNorm(dims)
        self.self_attention = SelfAttention(dims, num_heads, **(attention_cfg or {}))
        self.mlp_norm = nn.LayerNorm(dims)
        self.mlp = MLP(dims, mlp_dims, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        cache: SelfAttentionCache | None = None,
        packing: Packing | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """(B,L,D) -> the same; with a packing, (T,D) -> the same. Mask: as in SelfAttention."""
        x = x + self.dropout(self.self_attention(self.self_attention_norm(x), cache, packing, mask))
        return x + self.mlp(self.mlp_norm(x))


class MultimodalLayer(UnimodalLayer):
    """Self-attention, cross-attention to the image, one MLP (Table 1's parameter counts)."""

    def __init__(
        self,
        dims: int,
        num_heads: int,
        mlp_dims: int,
        dropout: float = 0.0,
        attention_cfg: dict | None = None,
        memory_dims: int | None = None,
    ) -> None:
        super().__init__(dims, num_heads, mlp_dims, dropout, attention_cfg)
        self.cross_attention_norm = nn.LayerNorm(dims)
        self.cross_attention = CrossAttention(dims, num_heads, memory_dims, **(attention_cfg or {}))

    def norm_memory(self, memory: Tensor) -> Tensor:
        """Image tokens (B,Q,D) as cross-attention takes them."""
        return memory

    def read(self, x: Tensor, image: Tensor | Memory, packing: Packing | None) -> Tensor:
        """What `x` reads of image tokens (B,Q,D), or of what was made of them before."""
        if isinstance(image, Tensor):
            num_queries = len(packing.lengths) * packing.max_length // len(image)
            image = self.cross_attention.read_once(self.norm_memory(image), num_queries)
        return self.dropout(self.cross_attention(self.cross_attention_norm(x), image, packing))

    def forward(
        self,
        x: Tensor,
        image: Tensor | Memory,
        cache: SelfAttentionCache | None = None,
        packing: Packing | None = None,
    ) -> Tensor:
        """(B,L,D) with what was made of the image -> (B,L,D); with a packing, (T,D) -> (T,D).

        With a packing the image may be its tokens (B,Q,D), which are then read in this one call.
        """
        x = x + self.dropout(self.self_attention(self.self_attention_norm(x), cache, packing))
        x = x + self.read(x, image, packing)
        return x + self.mlp(self.mlp_norm(x))


class TwoMLPMultimodalLayer(MultimodalLayer):
    """open_clip's: a whole unimodal layer, then cross-attention with a second MLP of its own.

    The cross-attention has a LayerNorm for the image tokens too.
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        mlp_dims: int,
        dropout: float = 0.0,
        attention_cfg: dict | None = None,
        memory_dims: int | None = None,
    ) -> None:
        super().__init__(dims, num_heads, mlp_dims, dropout, attention_cfg, memory_dims)
        self.memory_norm = nn.LayerNorm(memory_dims or dims)
        self.cross_mlp_norm = nn.LayerNorm(dims)
        self.cross_mlp = MLP(dims, mlp_dims, dropout)

    def norm_memory(self, memory: Tensor) -> Tensor:
        """As MultimodalLayer.norm_memory, by the LayerNorm."""
        return self.memory_norm(memory)

    def forward(
        self,
        x: Tensor,
        image: Tensor | Memory,
        cache: SelfAttentionCache | None = None,
        packing: Packing | None = None,
    ) -> Tensor:
        """As MultimodalLayer."""
        x = UnimodalLayer.forward(self, x, cache, packing)
        x = x + self.read(x, image, packing)
        return x + self.cross_mlp(self.cross_mlp_norm(x))

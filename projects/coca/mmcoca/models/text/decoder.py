# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""CoCa's decoupled text decoder: a unimodal half for the text feature, a multimodal for captions.

Layout of a text of n words: start w_1 .. w_n end [CLS] padding. Because [CLS] comes directly after
the end token, a purely causal mask lets it see all of its own sentence, itself, and no padding; so
attention needs no mask tensor. Everything but attention is computed without the padding.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmcoca.registry import MODELS

from ..layers import (
    MultimodalLayer,
    Packing,
    SelfAttentionCache,
    UnimodalLayer,
    init_transformer_weights,
)


@MODELS.register_module()
class UnimodalDecoder(BaseModule):
    """The lower half: causal self-attention over the text alone (paper section 3.2).

    Args:
        vocab_size: V. max_length: most text tokens, start and end included. dims: D.
    """

    def __init__(
        self,
        vocab_size: int,
        dims: int,
        num_layers: int,
        num_heads: int,
        mlp_dims: int,
        max_length: int = 64,
        dropout: float = 0.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.max_length = max_length
        self.token_embedding = nn.Embedding(vocab_size, dims)
        self.position_embedding = nn.Parameter(torch.empty(max_length, dims))
        self.cls_embedding = nn.Parameter(torch.empty(dims))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            UnimodalLayer(dims, num_heads, mlp_dims, dropout) for _ in range(num_layers)
        )
        self.cls_norm = nn.LayerNorm(dims)
        self.apply(init_transformer_weights)
        nn.init.normal_(self.position_embedding, std=0.02)
        nn.init.normal_(self.cls_embedding, std=0.02)

    def embed(self, token_ids: Tensor, first_position: int = 0) -> Tensor:
        """Token ids (B,T), the first at the given position -> (B,T,D).

        Raises ValueError for more tokens than there are positions.
        """
        end = first_position + token_ids.shape[1]
        if end > self.max_length:
            raise ValueError(f'{end} text tokens, but the decoder has {self.max_length} positions')
        return self.token_embedding(token_ids) + self.position_embedding[first_position:end]

    def forward(self, token_ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Token ids (B,L) and lengths (B,) -> token states (B,L,D), text feature (B,D).

        The states of padding are not defined.
        The states are not normalised: the multimodal half takes the stream as it is. [CLS] has no
        position embedding (both as in google-research/vila).
        """
        x = F.pad(self.embed(token_ids), (0, 0, 0, 1))
        is_cls = torch.arange(x.shape[1], device=x.device) == lengths[:, None]
        x = torch.where(is_cls[..., None], self.cls_embedding, x)
        packing = Packing(lengths + 1, x.shape[1])
        x = self.dropout(packing.pack(x))
        for layer in self.layers:
            x = layer(x, packing=packing)
        return packing.pad(x)[:, :-1], self.cls_norm(x[packing.ends])

    def decode(self, token_ids: Tensor, caches: list[SelfAttentionCache]) -> Tensor:
        """Token ids (B,T) that follow what the caches, one a layer, hold -> (B,T,D)."""
        x = self.embed(token_ids, caches[0].length if caches else 0)
        for layer, cache in zip(self.layers, caches, strict=True):
            x = layer(x, cache)
        return x


@MODELS.register_module()
class MultimodalDecoder(BaseModule):
    """The upper half: self-attention, cross-attention to the image tokens, one MLP a layer."""

    def __init__(
        self,
        dims: int,
        num_layers: int,
        num_heads: int,
        mlp_dims: int,
        memory_dims: int | None = None,
        dropout: float = 0.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.layers = nn.ModuleList(
            MultimodalLayer(dims, num_heads, mlp_dims, dropout, memory_dims)
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(dims)
        self.apply(init_transformer_weights)

    def project_memory(self, image_tokens: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Image tokens (B,Q,D) -> each layer's cross-attention keys and values."""
        return [layer.cross_attention.project_memory(image_tokens) for layer in self.layers]

    def forward(self, token_states: Tensor, image_tokens: Tensor, lengths: Tensor) -> Tensor:
        """Unimodal states (B,L,D), image tokens (B,Q,D) and lengths (B,) -> states (B,L,D).

        The states from a text's length on are zeros.
        """
        packing = Packing(lengths, token_states.shape[1])
        x = packing.pack(token_states)
        for layer, keys_values in zip(self.layers, self.project_memory(image_tokens)):
            x = layer(x, keys_values, packing=packing)
        return packing.pad(self.norm(x))

    def decode(
        self,
        token_states: Tensor,
        memory: list[tuple[Tensor, Tensor]],
        caches: list[SelfAttentionCache],
    ) -> Tensor:
        """Unimodal states (B,T,D) that follow what the caches hold -> (B,T,D)."""
        x = token_states
        for layer, keys_values, cache in zip(self.layers, memory, caches, strict=True):
            x = layer(x, keys_values, cache)
        return self.norm(x)


@MODELS.register_module()
class DecoupledTextDecoder(BaseModule):
    """Both halves with one width (Table 1): `unimodal` and `multimodal`.

    Args:
        vocab_size: V. dims: D. memory_dims: width of the image tokens, D if None.
        num_multimodal_layers: 0 leaves the upper half out (a dual encoder).
    """

    def __init__(
        self,
        vocab_size: int,
        dims: int,
        num_heads: int,
        mlp_dims: int,
        num_unimodal_layers: int = 12,
        num_multimodal_layers: int = 12,
        max_length: int = 64,
        memory_dims: int | None = None,
        dropout: float = 0.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.vocab_size = vocab_size
        self.dims = dims
        self.max_length = max_length
        self.unimodal = UnimodalDecoder(
            vocab_size, dims, num_unimodal_layers, num_heads, mlp_dims, max_length, dropout
        )
        self.multimodal = None
        if num_multimodal_layers:
            self.multimodal = MultimodalDecoder(
                dims, num_multimodal_layers, num_heads, mlp_dims, memory_dims, dropout
            )

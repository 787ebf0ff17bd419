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
    KeysValues,
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
        attention_cfg: Options of the attention layers, `qk_norm` and `logit_soft_cap`.

    Tokens, positions and [CLS] start normal with deviation 0.02, the layers by
    `init_transformer_weights`.
    """

    cls_positions = 0  # position embeddings that belong to [CLS]
    contrastive_parts = ('cls_embedding', 'cls_norm')  # all that serves this loss alone

    def __init__(
        self,
        vocab_size: int,
        dims: int,
        num_layers: int,
        num_heads: int,
        mlp_dims: int,
        max_length: int = 64,
        dropout: float = 0.0,
        attention_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.max_length = max_length
        self.token_embedding = nn.Embedding(vocab_size, dims)
        self.position_embedding = nn.Parameter(torch.empty(max_length + self.cls_positions, dims))
        self.cls_embedding = nn.Parameter(torch.empty(dims))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            UnimodalLayer(dims, num_heads, mlp_dims, dropout, attention_cfg)
            for _ in range(num_layers)
        )
        self.cls_norm = nn.LayerNorm(dims)
        self.apply(init_transformer_weights)
        nn.init.normal_(self.position_embedding, std=0.02)
        nn.init.normal_(self.cls_embedding, std=0.02)

    def embed(self, token_ids: Tensor, first_position: int = 0) -> Tensor:
        """Token ids (B,L), the first at the given position -> (B,L,D).

        Raises ValueError for more tokens than there are positions.
        """
        end = first_position + token_ids.shape[1]
        if end > self.max_length:
            raise ValueError(f'{end} text tokens, but the decoder has {self.max_length} positions')
        return self.token_embedding(token_ids) + self.position_embedding[first_position:end]

    def append_cls(self, token_ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, None]:
        """Ids (B,L), lengths (B,) -> embedded (B,L+1,D) with [CLS], lengths with it, the mask.

        [CLS] directly follows the text and has no position embedding (as in google-research/vila).
        No mask: attention is causal.
        """
        x = F.pad(self.embed(token_ids), (0, 0, 0, 1))
        is_cls = torch.arange(x.shape[1], device=x.device) == lengths[:, None]
        return torch.where(is_cls[..., None], self.cls_embedding, x), lengths + 1, None

    def forward(self, token_ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Token ids (B,L) and lengths (B,) -> token states (B,L,D), text feature (B,D).

        The states of padding are not defined.
        The states are not normalised: the multimodal half takes the stream as it is (as in
        google-research/vila).
        """
        x, lengths, mask = self.append_cls(token_ids, lengths)
        packing = Packing(lengths, x.shape[1])
        x = self.dropout(packing.pack(x))
        for layer in self.layers:
            x = layer(x, packing=packing, mask=mask)
        feature = self.cls_norm(self.aggregate(x, packing))
        return packing.pad(x)[:, :token_ids.shape[1]], feature

    def aggregate(self, x: Tensor, packing: Packing) -> Tensor:
        """Packed states (T,D) of texts with [CLS] -> one of each text (B,D): that of [CLS]."""
        return x[packing.ends]

    def decode(self, token_ids: Tensor, start: int, caches: list[SelfAttentionCache]) -> Tensor:
        """All token ids so far (R,L) -> states (R,new,D) of those from `start` on.

        The caches, one a layer, hold the tokens before `start`.
        """
        x = self.embed(token_ids[:, start:], start)
        for layer, cache in zip(self.layers, caches, strict=True):
            x = layer(x, cache)
        return x


@MODELS.register_module()
class MultimodalDecoder(BaseModule):
    """The upper half: self-attention, cross-attention to the image tokens, one MLP a layer.

    Args:
        attention_cfg: Options of the attention layers, `qk_norm` and `logit_soft_cap`.

    Starts by `init_transformer_weights`.
    """

    layer_type = MultimodalLayer

    def __init__(
        self,
        dims: int,
        num_layers: int,
        num_heads: int,
        mlp_dims: int,
        memory_dims: int | None = None,
        dropout: float = 0.0,
        attention_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.layers = nn.ModuleList(
            self.layer_type(dims, num_heads, mlp_dims, dropout, attention_cfg, memory_dims)
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(dims)
        self.apply(init_transformer_weights)

    def project_memory(self,
                       regional_tokens: Tensor,
                       num_queries: int | None = None) -> list[KeysValues | Tensor]:
        """Tokens (B,Q,D) -> what each layer reads of them, as CrossAttention.project_memory."""
        return [layer.project_memory(regional_tokens, num_queries) for layer in self.layers]

    def forward(self, token_states: Tensor, regional_tokens: Tensor, lengths: Tensor) -> Tensor:
        """Unimodal states (B,L,D), regional tokens (B,Q,D) and lengths (B,) -> states (B,L,D).

        The states from a text's length on are zeros.
        """
        packing = Packing(lengths, token_states.shape[1])
        x = packing.pack(token_states)
        queries_an_image = len(token_states) * token_states.shape[1] // len(regional_tokens)
        memories = self.project_memory(regional_tokens, queries_an_image)
        for layer, memory in zip(self.layers, memories):
            x = layer(x, memory, packing=packing)
        return packing.pad(self.norm(x))

    def decode(
        self,
        token_states: Tensor,
        memories: list[KeysValues],
        caches: list[SelfAttentionCache],
    ) -> Tensor:
        """Unimodal states (R,new,D) that follow what the caches hold -> (R,new,D)."""
        x = token_states
        for layer, memory, cache in zip(self.layers, memories, caches, strict=True):
            x = layer(x, memory, cache)
        return self.norm(x)


@MODELS.register_module()
class DecoupledTextDecoder(BaseModule):
    """Both halves with one width (Table 1): `unimodal` and `multimodal`.

    Args:
        vocab_size: V. dims: D. memory_dims: width of the regional tokens, D if None.
        num_multimodal_layers: 0 leaves the upper half out (a dual encoder).
        attention_cfg: Options of the attention layers, `qk_norm` and `logit_soft_cap`.
        unimodal, multimodal: Further options of a half, another `type` included.

    Attributes:
        contrastive_parts, captioning_parts: Names of what serves one of the losses alone.
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
        attention_cfg: dict | None = None,
        unimodal: dict | None = None,
        multimodal: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.vocab_size = vocab_size
        self.dims = dims
        self.num_heads = num_heads
        self.memory_dims = memory_dims or dims
        self.max_length = max_length
        shared = dict(
            dims=dims,
            num_heads=num_heads,
            mlp_dims=mlp_dims,
            dropout=dropout,
            attention_cfg=attention_cfg,
        )
        lower = dict(
            type='mmcoca.UnimodalDecoder',
            vocab_size=vocab_size,
            num_layers=num_unimodal_layers,
            max_length=max_length,
            **shared,
        )
        upper = dict(
            type='mmcoca.MultimodalDecoder',
            num_layers=num_multimodal_layers,
            memory_dims=memory_dims,
            **shared,
        )
        self.unimodal = MODELS.build(lower | (unimodal or {}))
        self.multimodal = None
        if num_multimodal_layers:
            self.multimodal = MODELS.build(upper | (multimodal or {}))
        own = getattr(self.unimodal, 'contrastive_parts', ())
        self.contrastive_parts = tuple(f'unimodal.{name}' for name in own)
        self.captioning_parts = ('multimodal', ) if num_multimodal_layers else ()

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""CoCa's decoupled text decoder: a unimodal half for the text feature, a multimodal for captions.

Layout of a text of n words: start w_1 .. w_n end [CLS] padding. Because [CLS] comes directly after
the end token, a purely causal mask lets it see all of its own sentence, itself, and no padding; so
attention needs no mask tensor. Everything but attention is computed without the padding.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmcoca.errors import is_positive
from mmcoca.registry import MODELS

from ..layers import (
    Memory,
    MultimodalLayer,
    Packing,
    SelfAttentionCache,
    UnimodalLayer,
    init_transformer_weights,
)
from .packed_texts import PackedTexts, pack_texts
from .tokenizers import TextBatch


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

    def cls_places(self, lengths: np.ndarray) -> np.ndarray:
        """Lengths (B,) -> the place of each [CLS] after its text (B,cls): directly after it."""
        return lengths[:, None]

    def cls_tokens(self) -> Tensor:
        """[CLS] as it enters the layers (cls,D): without a position (as in google-research/vila).
        """
        return self.cls_embedding[None]

    def mask(self, texts: PackedTexts) -> Tensor | None:
        """(B,1,L,L), True where a token may attend; None: attention is causal."""
        return None

    def forward(self, texts: PackedTexts) -> tuple[Tensor, Tensor]:
        """Packed texts -> the states (T,D) of all tokens, [CLS] included, and text features (B,D).

        The states are not normalised: the multimodal half takes the stream as it is (as in
        google-research/vila).
        """
        x = self.token_embedding(texts.token_ids)
        x = x + F.embedding(texts.positions, self.position_embedding)
        cls_tokens = self.cls_tokens().to(x.dtype).repeat(texts.cls_rows.shape[0], 1)
        x = self.dropout(x.index_copy(0, texts.cls_rows.flatten(), cls_tokens))
        mask = self.mask(texts)
        for layer in self.layers:
            x = layer(x, packing=texts.packing, mask=mask)
        return x, self.cls_norm(self.aggregate(x, texts))

    def aggregate(self, x: Tensor, texts: PackedTexts) -> Tensor:
        """Packed states (T,D) -> one of each text (B,D): that of [CLS]."""
        return x.index_select(0, texts.cls_rows[:, 0])

    def embed(self, token_ids: Tensor, first_position: int) -> Tensor:
        """Token ids (B,L), the first at the given position -> (B,L,D)."""
        end = first_position + token_ids.shape[1]
        return self.token_embedding(token_ids) + self.position_embedding[first_position:end]

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

    def project_memory(self, regional_tokens: Tensor) -> list[Memory]:
        """Tokens (B,Q,D) -> what each layer reads of them, made once for many calls of `decode`."""
        return [
            layer.cross_attention.project_memory(layer.norm_memory(regional_tokens))
            for layer in self.layers
        ]

    def leave_memory(self, regional_tokens: Tensor) -> list[Memory]:
        """As `project_memory`, without keys and values of the tokens where that can be done."""
        return [
            layer.cross_attention.leave_memory(layer.norm_memory(regional_tokens))
            for layer in self.layers
        ]

    def forward(self, x: Tensor, regional_tokens: Tensor, packing: Packing) -> Tensor:
        """Unimodal states (T,D) and regional tokens (B,Q,D) -> states (T,D)."""
        for layer in self.layers:
            x = layer(x, regional_tokens, packing=packing)
        return self.norm(x)

    def decode(
        self,
        token_states: Tensor,
        memories: list[Memory],
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
        token_multiple: A batch's number of tokens is filled up to a multiple of it, and its longest
            text to one of 8, so that few sizes occur: for torch.compile. 1: nothing is filled up.

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
        token_multiple: int = 1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not is_positive(token_multiple):
            raise ValueError(f'token_multiple={token_multiple!r}: use 1 or more')
        self.token_multiple = token_multiple
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

    def lay_out(self, texts: TextBatch, order: np.ndarray | None = None) -> PackedTexts:
        """Texts of the host, packed, on the model's device.

        Args:
            order: As in `pack_texts`.

        Raises ValueError for more tokens than there are positions.
        """
        token_ids, lengths = (x.numpy() for x in texts)
        if lengths.max() > self.max_length:
            raise ValueError(
                f'{lengths.max()} text tokens, but the decoder has {self.max_length} positions'
            )
        return pack_texts(
            token_ids,
            lengths,
            self.unimodal.cls_places(lengths),
            getattr(self.unimodal, 'pad_id', 0),
            self.unimodal.cls_embedding.device,
            order,
            self.token_multiple,
        )

    def predict_next(self, states: Tensor, regional_tokens: Tensor, texts: PackedTexts) -> Tensor:
        """Unimodal states (T,D) of all tokens, regional tokens (B,Q,D) -> states `before_next`."""
        rows, packing = texts.before_next
        return self.multimodal(states.index_select(0, rows), regional_tokens, packing)

    def read_whole(self, states: Tensor, regional_tokens: Tensor, texts: PackedTexts) -> Tensor:
        """Unimodal states (T,D) of all tokens, regional tokens (B,Q,D) -> states of `whole`."""
        rows, packing = texts.whole
        return self.multimodal(states.index_select(0, rows), regional_tokens, packing)

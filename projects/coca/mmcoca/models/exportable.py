# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A model's parts as modules of tensors alone, which torch.export takes whatever batch and length.

Each equals the model's own method; a test exports them and compares.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .coca import CoCa
from .layers import Packing, ProjectedMemory, at_least_float32
from .text import PackedTexts, TokenChoice


class ImageEncoder(nn.Module):
    """Images (B,3,height,width) -> embeddings (B,E) and regional tokens (B,Q,D)."""

    def __init__(self, model: CoCa) -> None:
        super().__init__()
        self.backbone, self.neck, self.head = model.backbone, model.neck, model.contrastive_head

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """As `CoCa.encode_image` and `CoCa.pool`."""
        global_tokens, regional_tokens = self.neck(self.backbone(images)[-1])
        return self.head.embed_image(global_tokens), regional_tokens


class TextEncoder(nn.Module):
    """Token ids (B,L), start and end included, and lengths (B,) -> embeddings (B,E).

    Computes the padding too, so that sizes depend on shapes alone.
    """

    def __init__(self, model: CoCa) -> None:
        super().__init__()
        self.unimodal, self.head = model.text.unimodal, model.contrastive_head
        # How far [CLS] stands behind a text that leaves it room.
        self.gaps = self.unimodal.cls_places(np.zeros(1, dtype=int))[0].tolist()

    def forward(self, token_ids: Tensor, lengths: Tensor) -> Tensor:
        """As `CoCa.encode_text`."""
        batch_size, text_length = token_ids.shape
        length = text_length + self.gaps[-1] + 1
        places = torch.stack([lengths + gap for gap in self.gaps], dim=1)
        if self.unimodal.cls_positions:  # a full text leaves no room for the position in between
            places = places.clamp(max=self.unimodal.max_length)
        place = torch.arange(length, device=token_ids.device).expand(batch_size, -1)
        pad_id = getattr(self.unimodal, 'pad_id', 0)
        token_ids = F.pad(token_ids, (0, self.gaps[-1] + 1), value=pad_id)
        token_ids = token_ids.masked_fill(place >= lengths[:, None], pad_id)
        rows = torch.arange(batch_size * length, device=token_ids.device)
        packing = Packing(places[:, -1] + 1, rows, rows, length)
        first_rows = torch.arange(batch_size, device=token_ids.device)[:, None] * length
        none = TokenChoice(rows, packing)
        positions = place.clamp(max=self.unimodal.max_length - 1).flatten()
        texts = PackedTexts(
            token_ids.flatten(), positions, packing, first_rows + places, none, rows, none, rows
        )
        return self.head.embed_text(self.unimodal(texts)[1])


class GrowingCache:
    """As SelfAttentionCache, of tensors (R,heads,L,C) that are never written into."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys, self.values = keys, values
        self.length = 1  # not empty: what comes is a single token, which sees all of it

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add keys and values (R,heads,1,C); return all."""
        self.keys = torch.cat([self.keys, key], dim=2)
        self.values = torch.cat([self.values, value], dim=2)
        return self.keys, self.values


class ImageMemory(nn.Module):
    """Regional tokens (B,Q,D) -> their keys and values (layers,2,B,heads,Q,C), once an image."""

    def __init__(self, model: CoCa) -> None:
        super().__init__()
        self.multimodal = model.text.multimodal

    def forward(self, regional_tokens: Tensor) -> Tensor:
        """As `MultimodalDecoder.project_memory`."""
        memories = self.multimodal.project_memory(regional_tokens)
        return torch.stack([torch.stack([memory.keys, memory.values]) for memory in memories])


class DecodingStep(nn.Module):
    """One more token of captions, with what was computed for those before it.

    token_ids (R,L): all so far. caches (layers,2,R,heads,L-1,C): keys and values of all layers,
    unimodal ones first, for the tokens but the last; with L of 1, of length 0. memory: as
    ImageMemory returns, a row for each caption -> logits (R,V) of the next token, and caches with
    L in place of L-1.
    """

    def __init__(self, model: CoCa) -> None:
        super().__init__()
        self.text, self.head = model.text, model.captioning_head

    def empty_caches(self, rows: int) -> Tensor:
        """What the first step takes, for so many captions (R)."""
        layers = len(self.text.unimodal.layers) + len(self.text.multimodal.layers)
        channels = self.text.dims // self.text.num_heads
        weight = self.head.weight
        return weight.new_zeros(layers, 2, rows, self.text.num_heads, 0, channels)

    def forward(self, token_ids: Tensor, caches: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """As a step of `CachedDecoder`."""
        growing = [GrowingCache(*of_layer) for of_layer in caches.unbind()]
        split = len(self.text.unimodal.layers)
        soft_caps = [layer.cross_attention.logit_soft_cap for layer in self.text.multimodal.layers]
        memories = [ProjectedMemory(*of_layer) for of_layer in zip(*memory.unbind(1), soft_caps)]
        states = self.text.unimodal.decode(token_ids, token_ids.shape[1] - 1, growing[:split])
        states = self.text.multimodal.decode(states, memories, growing[split:])
        grown = torch.stack([torch.stack([cache.keys, cache.values]) for cache in growing])
        return at_least_float32(self.head(states))[:, -1], grown

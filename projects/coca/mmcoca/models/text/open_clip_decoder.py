# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The two halves of open_clip's text decoder, for the weights that it publishes."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcoca.registry import MODELS

from ..layers import SelfAttentionCache, TwoMLPMultimodalLayer, init_open_clip_layers
from .decoder import MultimodalDecoder, UnimodalDecoder
from .packed_texts import PackedTexts


@MODELS.register_module()
class FixedLengthUnimodalDecoder(UnimodalDecoder):
    """The lower half with [CLS] at the last of `max_length` + 1 positions, however short the text.

    open_clip computes every padded position. What reaches its outputs are the text, at most one
    position of padding, and [CLS]: those are computed here, [CLS] after them with the embedding of
    the last position.

    Args:
        cls_mask: 'legacy', of the published weights: [CLS] attends to the text and the position of
            padding after it, not to itself (a text of `max_length` tokens has no padding, there
            [CLS] does attend to itself). 'corrected': to the text and itself.
        pad_id: Tokens of this id are masked, also within a text: it is "!" before more punctuation.
        **kwargs: As in UnimodalDecoder.

    The position of [CLS] is a row of `position_embedding`, which without a contrastive loss decays
    as the rows of positions that no text reaches.

    Initialised as open_clip's: normal with deviation 0.02 for tokens, 0.01 for positions and
    [CLS], and `init_open_clip_layers`. Raises ValueError for another `cls_mask`.
    """

    cls_positions = 1

    def __init__(self, *args, cls_mask: str = 'legacy', pad_id: int = 0, **kwargs) -> None:
        if cls_mask not in ('legacy', 'corrected'):
            raise ValueError(f"cls_mask '{cls_mask}' is unknown: use 'legacy' or 'corrected'")
        super().__init__(*args, **kwargs)
        self.is_legacy = cls_mask == 'legacy'
        self.pad_id = pad_id
        nn.init.normal_(self.position_embedding, std=0.01)
        nn.init.normal_(self.cls_embedding, std=0.01)
        init_open_clip_layers(self.layers)

    def cls_places(self, lengths: np.ndarray) -> np.ndarray:
        """Lengths (B,) -> (B,1), in the legacy form after a position of padding, if there is one.
        """
        return np.minimum(lengths + self.is_legacy, self.max_length)[:, None]

    def cls_tokens(self) -> Tensor:
        """[CLS] (1,D) with the embedding of the last position."""
        return (self.cls_embedding + self.position_embedding[-1])[None]

    def mask(self, texts: PackedTexts) -> Tensor:
        """(B,1,L,L), as `attention_mask`."""
        # [CLS] is a token of an id that no padding has.
        token_ids = texts.token_ids.index_fill(0, texts.cls_rows.flatten(), -1)
        padded = texts.packing.pad(token_ids[:, None], self.pad_id)
        return self.attention_mask(padded[..., 0])

    def attention_mask(self, token_ids: Tensor) -> Tensor:
        """Ids (B,A) -> (B,1,A,A), True where the token of a row may attend to that of a column.

        Causal, and no column of padding; the legacy mask takes each column for the one before it,
        so that the first is always seen.
        """
        is_seen = token_ids != self.pad_id
        if self.is_legacy:
            is_seen = F.pad(is_seen, (1, -1), value=True)
        length = token_ids.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=token_ids.device).tril()
        return is_seen[:, None, None, :] & causal

    def decode(self, token_ids: Tensor, start: int, caches: list[SelfAttentionCache]) -> Tensor:
        """As UnimodalDecoder, with open_clip's mask of pad ids."""
        x = self.embed(token_ids[:, start:], start)
        mask = self.attention_mask(token_ids)[:, :, start:]
        for layer, cache in zip(self.layers, caches, strict=True):
            x = layer(x, cache, mask=mask)
        return x


@MODELS.register_module()
class TwoMLPMultimodalDecoder(MultimodalDecoder):
    """The upper half of `TwoMLPMultimodalLayer`: cross-attention is followed by an MLP of its own.

    Initialised by `init_open_clip_layers`, as open_clip's code intends without calling it: its
    output matrix has no initialisation at all.
    """

    layer_type = TwoMLPMultimodalLayer

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        init_open_clip_layers(self.layers)

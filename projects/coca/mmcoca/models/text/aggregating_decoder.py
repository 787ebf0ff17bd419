# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Text features from several [CLS] tokens, or from the text's own tokens too."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from mmcoca.registry import MODELS

from .decoder import UnimodalDecoder
from .packed_texts import PackedTexts


@MODELS.register_module()
class AggregatingUnimodalDecoder(UnimodalDecoder):
    """The lower half whose text feature is the mean of several outputs (paper table 8e).

    That it is the mean is ours: the paper does not say how it aggregates.

    Args:
        num_cls_tokens: Learned tokens that follow the text, one after the other.
        with_text_tokens: Whether the text's own tokens, start and end included, are averaged too.
        **kwargs: As in UnimodalDecoder.

    Raises ValueError for less than one [CLS].
    """

    def __init__(
        self, *args, num_cls_tokens: int = 8, with_text_tokens: bool = False, **kwargs
    ) -> None:
        if num_cls_tokens < 1:
            raise ValueError(f'num_cls_tokens is {num_cls_tokens}, but must be positive')
        super().__init__(*args, **kwargs)
        self.with_text_tokens = with_text_tokens
        dims = len(self.cls_embedding)
        self.cls_embedding = nn.Parameter(torch.empty(num_cls_tokens, dims))
        nn.init.normal_(self.cls_embedding, std=0.02)

    def cls_places(self, lengths: np.ndarray) -> np.ndarray:
        """Lengths (B,) -> (B,cls), one after the other."""
        return lengths[:, None] + np.arange(len(self.cls_embedding))

    def cls_tokens(self) -> Tensor:
        """(cls,D)."""
        return self.cls_embedding

    def aggregate(self, x: Tensor, texts: PackedTexts) -> Tensor:
        """Packed states (T,D) -> their means (B,D)."""
        if self.with_text_tokens:
            lengths = texts.packing.lengths[:, None]
            place = torch.arange(texts.packing.max_length, device=x.device)
            # An exported model computes the padding, too.
            own = texts.packing.pad(x).masked_fill((place >= lengths)[..., None], 0)
            return own.sum(dim=1) / lengths
        return x[texts.cls_rows].mean(dim=1)

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Text features from several [CLS] tokens, or from the text's own tokens too."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcoca.registry import MODELS

from ..layers import Packing
from .decoder import UnimodalDecoder


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

    def append_cls(self, token_ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, None]:
        """As UnimodalDecoder, with several [CLS]: embedded (B,L+cls,D), lengths with them."""
        num_cls_tokens = len(self.cls_embedding)
        x = F.pad(self.embed(token_ids), (0, 0, 0, num_cls_tokens))
        rows = torch.arange(len(x), device=x.device)[:, None]
        positions = lengths[:, None] + torch.arange(num_cls_tokens, device=x.device)
        x = x.index_put((rows, positions), self.cls_embedding.to(x.dtype))
        return x, lengths + num_cls_tokens, None

    def aggregate(self, x: Tensor, packing: Packing) -> Tensor:
        """Packed states (T,D) of texts with [CLS] -> their means (B,D)."""
        if self.with_text_tokens:
            return packing.pad(x).sum(dim=1) / packing.lengths[:, None]
        from_end = torch.arange(len(self.cls_embedding), device=x.device)
        return x[packing.ends[:, None] - from_end].mean(dim=1)

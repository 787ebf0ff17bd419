# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The attentional pooler as a neck of mmpretrain's classifiers."""

from __future__ import annotations

from torch import Tensor

from mmcoca.registry import MODELS

from .attentional_pooler import AttentionalPooler


@MODELS.register_module()
class RecognitionPooler(AttentionalPooler):
    """One new query that reads an encoder: a tuple whose last is (B,N,W) -> a tuple of one (B,D).

    Paper section 3.3, "Frozen-feature Evaluation"; a linear head follows.

    Args:
        dims: D. memory_dims: W.
        **kwargs: Other options of AttentionalPooler.
    """

    def __init__(self, dims: int, memory_dims: int, num_heads: int, **kwargs) -> None:
        super().__init__(1, dims, memory_dims, num_heads, **kwargs)
        self.dims = dims

    def forward(self, features: tuple[Tensor, ...]) -> tuple[Tensor]:
        """What a backbone gives -> what a head takes."""
        return (super().forward(features[-1])[:, 0], )

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The contrastive query alone, without caption queries."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmcoca.registry import MODELS

from .attentional_pooler import AttentionalPooler


@MODELS.register_module()
class ContrastivePooler(BaseModule):
    """One query for the contrastive loss; captions attend to the encoder's own tokens.

    (B,N,W) -> (B,1,D) global, (B,N,W) regional: the paper's ablation of 0 caption queries
    (Table 8), and all that a dual encoder needs. The text decoder's `memory_dims` is then W.

    Args:
        dims: D. memory_dims: W.
        **kwargs: Other options of AttentionalPooler.
    """

    contrastive_parts = ('contrastive_pooler', )  # all that serves this loss alone

    def __init__(
        self,
        dims: int,
        memory_dims: int,
        num_heads: int,
        init_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        super().__init__(init_cfg)
        self.dims = dims
        self.memory_dims = memory_dims
        self.regional_dims = memory_dims
        self.contrastive_pooler = AttentionalPooler(1, dims, memory_dims, num_heads, **kwargs)

    def forward(self, image_tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Encoder output (B,N,W) -> (B,1,D) for the contrastive loss, itself for captions."""
        return self.contrastive_pooler(image_tokens), image_tokens

    def captioning_attention(self, image_tokens: Tensor) -> Tensor:
        """Weights (B,1,N,N) of what captions read on the image tokens, each itself: for pictures.
        """
        batch_size, num_tokens, _ = image_tokens.shape
        itself = torch.eye(num_tokens, dtype=image_tokens.dtype, device=image_tokens.device)
        return itself.expand(batch_size, 1, -1, -1)

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""From the multimodal decoder's states to the classes of an understanding task."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmcoca.registry import MODELS

from ..layers import at_least_float32, init_transformer_weights
from ..necks import AttentionalPooler


@MODELS.register_module()
class UnderstandingHead(BaseModule):
    """Classifies by what one query reads in the decoder's states (paper section 4.2.3).

    Args:
        num_classes: Classes, or answers.
        dims: D. num_heads: of the pooler.
        num_images: Images a text; what is pooled from each is concatenated (NLVR2: 2).
        loss: Config of a loss of logits and targets. The paper prints none.
    """

    def __init__(
        self,
        num_classes: int,
        dims: int,
        num_heads: int,
        num_images: int = 1,
        loss: dict = dict(type='mmpretrain.CrossEntropyLoss'),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.num_images = num_images
        self.width = num_images * dims  # of what is pooled for a text
        self.loss_module = MODELS.build(loss)
        self.pooler = AttentionalPooler(1, dims, dims, num_heads)
        self.classifier = nn.Linear(self.width, num_classes)
        init_transformer_weights(self.classifier)

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """States (B,L,D) of texts of these lengths (B,) -> logits (B,classes).

        With several images a text there is a row for each, those of a text next to each other:
        (B*images,L,D) and (B*images,) -> (B,classes).
        """
        is_token = torch.arange(states.shape[1], device=lengths.device) < lengths[:, None]
        pooled = self.pooler(states, is_token).flatten(1).view(-1, self.width)
        return at_least_float32(self.classifier(pooled))

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits (B,classes), labels (B,) or scores (B,classes) -> the loss."""
        return self.loss_module(logits, targets)

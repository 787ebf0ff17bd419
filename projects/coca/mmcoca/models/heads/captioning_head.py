# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""From decoder states to vocabulary logits and the captioning loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmcoca.registry import MODELS

from ..losses.captioning_loss import token_log_probabilities


@MODELS.register_module()
class CaptioningHead(BaseModule):
    """The output matrix (V,D) and the loss over it; no bias, untied (Table 1's counts).

    Args:
        loss: Config of the captioning loss.
        vocab_size: V. dims: D.
        tie_embeddings: CoCa then shares the token embedding as output matrix.
        ignore_index: A token id that is no target, as in torch's cross entropy (open_clip: its
            padding 0, which is also "!" before more punctuation).

    The matrix starts normal with deviation 1/sqrt(D), as in google-research/vila (open_clip leaves
    its own uninitialised).
    """

    def __init__(
        self,
        loss: dict,
        vocab_size: int,
        dims: int,
        tie_embeddings: bool = False,
        ignore_index: int = -100,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.loss_module = MODELS.build(loss)
        self.tie_embeddings = tie_embeddings
        self.ignore_index = ignore_index
        self.weight = nn.Parameter(torch.empty(vocab_size, dims))
        nn.init.normal_(self.weight, std=dims**-0.5)

    def forward(self, states: Tensor) -> Tensor:
        """Decoder states (...,D) -> logits (...,V)."""
        return F.linear(states, self.weight)

    def log_probabilities(self, states: Tensor, targets: Tensor) -> Tensor:
        """States (T,D) and targets (T,), -100 for none -> the log-probability of each, 0 of none.
        """
        return token_log_probabilities(states, self.weight, targets)

    def loss(self, states: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """States (T,D) and targets (T,), -100 for none -> 'loss_captioning'.

        Only states that have a target are given, so that [B,L,V] never exists.
        """
        targets = targets.masked_fill(targets == self.ignore_index, -100)
        return dict(loss_captioning=self.loss_module(states, self.weight, targets))

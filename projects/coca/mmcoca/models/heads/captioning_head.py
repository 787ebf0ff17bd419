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

    def log_probabilities(self, states: Tensor, token_ids: Tensor, lengths: Tensor) -> Tensor:
        """As `loss`, the log-probability (B,L-1) of each token after the first; 0 for padding."""
        targets = token_ids[:, 1:]
        is_target = torch.arange(1, token_ids.shape[1], device=lengths.device) < lengths[:, None]
        values = token_log_probabilities(states[is_target], self.weight, targets[is_target])
        return values.new_zeros(targets.shape).masked_scatter(is_target, values)

    def loss(self, states: Tensor, token_ids: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """States (B,L-1,D) of all tokens but the last, ids (B,L), lengths (B,) -> the loss.

        Position t predicts token t+1, the end token included; padding is gathered away before the
        V-wide product, so [B,L,V] never exists.
        """
        targets = token_ids[:, 1:]
        is_target = torch.arange(1, token_ids.shape[1], device=lengths.device) < lengths[:, None]
        is_target &= targets != self.ignore_index
        loss = self.loss_module(states[is_target], self.weight, targets[is_target])
        return dict(loss_captioning=loss)

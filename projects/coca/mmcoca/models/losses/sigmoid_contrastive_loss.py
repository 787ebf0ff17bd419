# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""SigLIP's contrastive loss, in the place of the softmax of Eq. 2."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcoca.registry import MODELS

from ..layers import at_least_float32


def sigmoid_contrastive_loss(
    image_features: Tensor, text_features: Tensor, logit_scale: Tensor, logit_bias: Tensor
) -> Tensor:
    """Binary cross entropy of every pair, matching or not, summed and divided by B.

    Features (B,E), L2-normalised; row i of one belongs to row i of the other. Algorithm 1 of
    arXiv 2303.15343.
    """
    # In 16 bits, similarities times a scale of up to 100 would lose the differences that matter.
    with torch.autocast(image_features.device.type, enabled=False):
        image_features, text_features, logit_scale = map(
            at_least_float32, (image_features, text_features, logit_scale)
        )
        logits = logit_scale * image_features @ text_features.T + logit_bias
        signs = 2 * torch.eye(len(logits), device=logits.device) - 1
        return -F.logsigmoid(signs * logits).sum() / len(logits)


@MODELS.register_module()
class SigmoidContrastiveLoss(nn.Module):
    """SigLIP's loss (arXiv 2303.15343), over the pairs of this process's batch.

    Each image with each text is a question of its own, match or not. That paper starts from a
    temperature of 0.1 (`init_temperature` of the head).

    Args:
        loss_weight: CoCa's paper has 1 for its softmax loss. With 0 the model does not compute it.
        init_logit_bias: Of the learned bias; -10 makes up for the many pairs that do not match.
    """

    def __init__(self, loss_weight: float = 1.0, init_logit_bias: float = -10.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.logit_bias = nn.Parameter(torch.tensor(init_logit_bias))

    def forward(
        self,
        image_features: Tensor,
        text_features: Tensor,
        logit_scale: Tensor,
        token_ids: Tensor | None = None,
    ) -> Tensor:
        """Features (B,E) -> the weighted loss; the token ids are not needed."""
        loss = sigmoid_contrastive_loss(image_features, text_features, logit_scale, self.logit_bias)
        return self.loss_weight * loss

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""SigLIP's contrastive loss, in the place of the softmax of Eq. 2."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmcoca.registry import MODELS

from ..joined_batch import first_own_row, gather_rows, with_joined_value
from ..layers import at_least_float32


def sigmoid_contrastive_loss(
    image_features: Tensor,
    text_features: Tensor,
    logit_scale: Tensor,
    logit_bias: Tensor,
    chunk_size: int | None = None,
) -> Tensor:
    """Binary cross entropy of every pair, matching or not, summed and divided by B.

    Features (B,E), L2-normalised; row i of one belongs to row i of the other. Algorithm 1 of
    arXiv 2303.15343. Of several processes each compares its own images with the texts of all.

    Args:
        chunk_size: Texts whose logits are held at a time, as in section 3.3 there; None: all.
    """
    # In 16 bits, similarities times a scale of up to 100 would lose the differences that matter.
    with torch.autocast(image_features.device.type, enabled=False):
        image_features, text_features, logit_scale = map(
            at_least_float32, (image_features, text_features, logit_scale)
        )
        num_images = len(image_features)
        texts = gather_rows(text_features)
        own = torch.arange(num_images, device=texts.device) + first_own_row(num_images)
        if chunk_size is None or chunk_size >= len(texts):
            total = cross_entropy_of_pairs(image_features, texts, own, logit_scale, logit_bias)
            return total / num_images
        chunks = [
            checkpoint(
                cross_entropy_of_pairs,
                image_features,
                chunk,
                own - number * chunk_size,
                logit_scale,
                logit_bias,
                use_reentrant=False,
            ) for number, chunk in enumerate(texts.split(chunk_size))
        ]
        return sum(chunks) / num_images


def cross_entropy_of_pairs(
    image_features: Tensor,
    text_features: Tensor,
    matches: Tensor,
    logit_scale: Tensor,
    logit_bias: Tensor,
) -> Tensor:
    """Features (B,E) and (texts,E), each image's matching text (B,) -> the summed cross entropy.

    A match outside of 0..texts-1 is none of these texts.
    """
    logits = logit_scale * image_features @ text_features.T + logit_bias
    is_match = matches[:, None] == torch.arange(len(text_features), device=matches.device)
    return -F.logsigmoid(torch.where(is_match, logits, -logits)).sum()


@MODELS.register_module()
class SigmoidContrastiveLoss(nn.Module):
    """SigLIP's loss (arXiv 2303.15343), over the joined batch of all processes.

    Each image with each text is a question of its own, match or not. That paper starts from a
    temperature of 0.1 (`init_temperature` of the head).

    Args:
        loss_weight: CoCa's paper has 1 for its softmax loss. With 0 the model does not compute it.
        init_logit_bias: Of the learned bias; -10 makes up for the many pairs that do not match.
        chunk_size: As in `sigmoid_contrastive_loss`.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        init_logit_bias: float = -10.0,
        chunk_size: int | None = None,
    ) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.chunk_size = chunk_size
        self.logit_bias = nn.Parameter(torch.tensor(init_logit_bias))

    def forward(
        self,
        image_features: Tensor,
        text_features: Tensor,
        logit_scale: Tensor,
        caption_marks: Tensor | None = None,
    ) -> Tensor:
        """Features (B,E) -> the weighted loss; what texts are equal is not asked."""
        loss = sigmoid_contrastive_loss(
            image_features, text_features, logit_scale, self.logit_bias, self.chunk_size
        )
        return with_joined_value(self.loss_weight * loss)

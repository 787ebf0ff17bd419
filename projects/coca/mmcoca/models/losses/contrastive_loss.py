# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The image-text contrastive loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcoca.registry import MODELS

from ..layers import at_least_float32


def contrastive_loss(
    image_features: Tensor,
    text_features: Tensor,
    logit_scale: Tensor,
    text_groups: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Image-to-text and text-to-image cross entropies, each the mean over the batch (Eq. 2).

    Features (B,E), L2-normalised; row i of one belongs to row i of the other. Rows of equal
    `text_groups` (B,) carry the same caption and are left out of each other's negatives.
    """
    # In 16 bits, similarities times a scale of up to 100 would lose the differences that matter.
    with torch.autocast(image_features.device.type, enabled=False):
        image_features, text_features, logit_scale = map(
            at_least_float32, (image_features, text_features, logit_scale)
        )
        logits = logit_scale * image_features @ text_features.T
        if text_groups is not None:
            same_caption = text_groups[:, None] == text_groups
            same_caption.fill_diagonal_(False)
            logits = logits.masked_fill(same_caption, float('-inf'))
        targets = torch.arange(len(logits), device=logits.device)
        return F.cross_entropy(logits, targets), F.cross_entropy(logits.T, targets)


@MODELS.register_module()
class ContrastiveLoss(nn.Module):
    """The contrastive loss of Eq. 2, over the pairs of this process's batch.

    Args:
        loss_weight: The paper's lambda_con is 1. With 0 the model does not compute it.
        directions: 'mean' halves the sum of image-to-text and text-to-image, as every public
            implementation does; 'sum' is Eq. 2 as printed.
        ignore_duplicates: Equal captions of a batch are not each other's negatives.

    Raises ValueError for another `directions`.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        directions: str = 'mean',
        ignore_duplicates: bool = False,
    ) -> None:
        super().__init__()
        if directions not in ('mean', 'sum'):
            raise ValueError(f"directions '{directions}' is unknown: use 'mean' or 'sum'")
        self.loss_weight = loss_weight
        self.part_of_direction = 0.5 if directions == 'mean' else 1.0
        self.ignore_duplicates = ignore_duplicates

    def forward(
        self,
        image_features: Tensor,
        text_features: Tensor,
        logit_scale: Tensor,
        token_ids: Tensor | None = None,
    ) -> Tensor:
        """Features (B,E), and token ids (B,L) to know duplicates by -> the weighted loss."""
        groups = None
        if self.ignore_duplicates:
            groups = torch.unique(token_ids, dim=0, return_inverse=True)[1]
        image_to_text, text_to_image = contrastive_loss(
            image_features, text_features, logit_scale, groups
        )
        return self.loss_weight * self.part_of_direction * (image_to_text + text_to_image)

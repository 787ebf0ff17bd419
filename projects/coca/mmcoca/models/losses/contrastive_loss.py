# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The image-text contrastive loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcoca.registry import MODELS

from ..joined_batch import first_own_row, gather_rows, with_joined_value
from ..layers import at_least_float32


def contrastive_loss(
    image_features: Tensor,
    text_features: Tensor,
    logit_scale: Tensor,
    caption_marks: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Image-to-text and text-to-image cross entropies, each the mean over the batch (Eq. 2).

    Features (B,E), L2-normalised; row i of one belongs to row i of the other. Rows of equal
    `caption_marks` (B,2) carry the same caption and are left out of each other's negatives. Of
    several processes each compares its own rows with those of all: (B,P*B) at a time.
    """
    # In 16 bits, similarities times a scale of up to 100 would lose the differences that matter.
    with torch.autocast(image_features.device.type, enabled=False):
        image_features, text_features, logit_scale = map(
            at_least_float32, (image_features, text_features, logit_scale)
        )
        image_to_text = logit_scale * image_features @ gather_rows(text_features).T
        text_to_image = logit_scale * text_features @ gather_rows(image_features).T
        targets = torch.arange(len(image_features), device=image_features.device)
        targets = targets + first_own_row(len(targets))
        if caption_marks is not None:
            same_caption = (caption_marks[:, None] == gather_rows(caption_marks)).all(dim=-1)
            same_caption.scatter_(1, targets[:, None], False)
            image_to_text = image_to_text.masked_fill(same_caption, float('-inf'))
            text_to_image = text_to_image.masked_fill(same_caption, float('-inf'))
        return F.cross_entropy(image_to_text, targets), F.cross_entropy(text_to_image, targets)


@MODELS.register_module()
class ContrastiveLoss(nn.Module):
    """The contrastive loss of Eq. 2, over the joined batch of all processes.

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
        caption_marks: Tensor | None = None,
    ) -> Tensor:
        """Features (B,E), marks (B,2) to know duplicates by -> the weighted loss."""
        image_to_text, text_to_image = contrastive_loss(
            image_features,
            text_features,
            logit_scale,
            caption_marks if self.ignore_duplicates else None,
        )
        loss = self.loss_weight * self.part_of_direction * (image_to_text + text_to_image)
        return with_joined_value(loss)

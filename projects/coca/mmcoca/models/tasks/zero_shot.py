# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Zero-shot classification: classes are texts (paper section 4.2.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmpretrain.structures import DataSample
from torch import Tensor

from mmcoca.registry import MODELS

from ..coca import CoCa
from ..layers import similarities
from .class_embeddings import KeptClassEmbeddings


@torch.no_grad()
def classify_images(model: CoCa, images: Tensor, embeddings: Tensor) -> Tensor:
    """Images (B,3,height,width), class embeddings (classes,E) -> probabilities (B,classes).

    By the learned temperature, in at least float32 also under autocast.
    """
    logits = model.contrastive_head.scale * similarities(model.encode_image(images), embeddings)
    return logits.softmax(dim=-1)


@MODELS.register_module()
class ZeroShotCoCa(CoCa):
    """A CoCa whose mode 'predict' classifies.

    The classes are embedded when they are first needed, and anew when the weights have changed.

    Args:
        classes: As in `class_names`.
        **kwargs: As in CoCa.
    """

    def __init__(self, *args, classes: str | Sequence[str], **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.classes = classes
        self._class_embeddings = KeptClassEmbeddings()

    def predict(self,
                images: Tensor,
                data_samples: Sequence[DataSample] | None = None) -> list[DataSample]:
        """Set each sample's `pred_score` (classes,) and `pred_label`."""
        embeddings = self._class_embeddings.of(self, self.classes)
        chances = classify_images(self, images, embeddings)
        samples = data_samples if data_samples is not None else [DataSample() for _ in images]
        return [
            sample.set_pred_score(row).set_pred_label(row.argmax())
            for sample, row in zip(samples, chances)
        ]

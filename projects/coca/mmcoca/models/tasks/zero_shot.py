# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Zero-shot classification: classes are texts (paper section 4.2.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmpretrain.structures import DataSample
from torch import Tensor

from mmcoca.labels import class_names, prompt_templates
from mmcoca.registry import MODELS

from ..coca import CoCa


@torch.no_grad()
def class_embeddings(
    model: CoCa,
    classes: str | Sequence[str],
    templates: str | Sequence[str] = 'a photo of a {}.',
    batch_size: int = 256,
) -> Tensor:
    """Class names and prompt templates with a {} -> the classes' embeddings (C,E), normalised.

    Each class is the mean of its prompts' embeddings (CLIP, arXiv 2103.00020, section 3.1.4);
    `batch_size` prompts are encoded at a time.

    Raises SettingError as `class_names` and `prompt_templates`, which see.
    """
    classes, templates = class_names(classes), prompt_templates(templates)
    prompts = [template.replace('{}', name) for name in classes for template in templates]
    embeddings = torch.cat(
        [
            model.encode_text(prompts[start:start + batch_size])
            for start in range(0, len(prompts), batch_size)
        ]
    )
    return F.normalize(embeddings.unflatten(0, (len(classes), -1)).mean(dim=1), dim=-1)


@torch.no_grad()
def classify_images(model: CoCa, images: Tensor, embeddings: Tensor) -> Tensor:
    """Images (B,3,H,W), class embeddings (C,E) -> probabilities (B,C), by the learned temperature.
    """
    scale = model.contrastive_head.logit_scale.exp()
    return (scale * model.encode_image(images) @ embeddings.T).softmax(dim=-1)


@MODELS.register_module()
class ZeroShotCoCa(CoCa):
    """A CoCa whose mode 'predict' classifies.

    Args:
        classes: As in `class_names`. templates: As in `prompt_templates`.
        **kwargs: As in CoCa.
    """

    def __init__(
        self,
        *args,
        classes: str | Sequence[str],
        templates: str | Sequence[str] = 'a photo of a {}.',
        **kwargs,
    ) -> None:
        self._class_embeddings: Tensor | None = None
        self.classes = classes
        self.templates = templates
        super().__init__(*args, **kwargs)

    def train(self, mode: bool = True) -> ZeroShotCoCa:
        """As in CoCa. MMEngine calls it before each evaluation: classes are embedded anew."""
        self._class_embeddings = None
        return super().train(mode)

    def predict(self,
                images: Tensor,
                data_samples: Sequence[DataSample] | None = None) -> list[DataSample]:
        """Set each sample's `pred_score` (C,) and `pred_label`."""
        if self._class_embeddings is None:
            self._class_embeddings = class_embeddings(self, self.classes, self.templates)
        chances = classify_images(self, images, self._class_embeddings)
        samples = data_samples if data_samples is not None else [DataSample() for _ in images]
        return [
            sample.set_pred_score(row).set_pred_label(row.argmax())
            for sample, row in zip(samples, chances)
        ]

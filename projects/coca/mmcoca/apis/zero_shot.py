# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Zero-shot classification with labels and prompts of one's own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mmcoca.models import CoCa


@torch.no_grad()
def class_embeddings(
    model: CoCa,
    classes: Sequence[str],
    templates: Sequence[str] = ('a photo of a {}.', ),
    batch_size: int = 256,
) -> Tensor:
    """Class names and prompt templates with a {} -> the classes' embeddings (C,E), normalised.

    Each class is the mean of its prompts' embeddings (CLIP, arXiv 2103.00020, section 3.1.4);
    `batch_size` prompts are encoded at a time.

    Raises ValueError without classes or templates, for one named twice, and for a template without
    its {}.
    """
    if not classes or not templates:
        raise ValueError('zero-shot classification needs at least one class and one template')
    if len(set(classes)) < len(classes):
        twice = next(name for name in classes if list(classes).count(name) > 1)
        raise ValueError(f"class '{twice}' is named twice")
    for template in templates:
        if template.count('{}') != 1:
            raise ValueError(f"template '{template}' has {template.count('{}')} places {{}}, not 1")
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

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Embeddings of classes named in words (paper section 4.2.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mmcoca.labels import class_names, prompt_templates

from ..coca import CoCa
from ..fingerprint import fingerprint


@torch.no_grad()
def class_embeddings(
    model: CoCa,
    classes: str | Sequence[str],
    templates: str | Sequence[str] | None = None,
    batch_size: int = 256,
) -> Tensor:
    """Class names and prompt templates with a {} -> embeddings (classes,E), normalised.

    Each class is the mean of its prompts' embeddings (CLIP, arXiv 2103.00020, section 3.1.4);
    `batch_size` prompts are encoded at a time. Without templates they are the model's own.

    Raises SettingError as `class_names` and `prompt_templates`, which see.
    """
    templates = prompt_templates(model.templates if templates is None else templates)
    classes = class_names(classes)
    prompts = [template.replace('{}', name) for name in classes for template in templates]
    embeddings = torch.cat(
        [
            model.encode_text(prompts[start:start + batch_size])
            for start in range(0, len(prompts), batch_size)
        ]
    )
    return F.normalize(embeddings.unflatten(0, (len(classes), -1)).mean(dim=1), dim=-1)


class KeptClassEmbeddings:
    """Class embeddings that are kept while what they were made by is the same.

    That is: the classes and templates, the weights that texts pass through, their type and device,
    and how the model computes (in training or evaluation, under autocast or not).
    """

    # What no text passes through.
    OTHER_PARTS = ('backbone', 'neck', 'text.multimodal', 'captioning_head')

    def __init__(self) -> None:
        self._made_by: tuple | None = None
        self._embeddings: Tensor | None = None

    def of(
        self,
        model: CoCa,
        classes: str | Sequence[str],
        templates: str | Sequence[str] | None = None,
    ) -> Tensor:
        """As `class_embeddings`."""
        templates = model.templates if templates is None else templates
        device = model.text.unimodal.cls_embedding.device.type
        autocast = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device)
        names = [x if isinstance(x, str) else tuple(x) for x in (classes, templates)]
        made_by = (*names, autocast, model.training, fingerprint(model, self.OTHER_PARTS))
        if made_by != self._made_by:
            self._embeddings = class_embeddings(model, classes, templates)
            self._made_by = made_by
        return self._embeddings

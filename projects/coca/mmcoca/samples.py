# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What models and metrics both read from a data sample."""

from __future__ import annotations

from mmpretrain.structures import DataSample


def texts_of(sample: DataSample | dict) -> list[str]:
    """The captions of a sample, its `gt_caption` or `text`: one, several, or none."""
    texts = sample.get('gt_caption', sample.get('text'))
    if texts is None:
        return []
    return [texts] if isinstance(texts, str) else list(texts)

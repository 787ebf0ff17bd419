# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Retrieval results in the data samples of mmpretrain's loops and inferencers."""

from __future__ import annotations

from collections.abc import Sequence

from mmpretrain.structures import DataSample
from torch import Tensor

from mmcoca.samples import texts_of


def image_queries(scores: Tensor, samples: Sequence[DataSample]) -> list[DataSample]:
    """Scores (B,M) of images and all texts -> the images' samples with predictions."""
    for sample in samples:
        if 'gt_text_id' in sample:
            sample.set_gt_label(sample.gt_text_id)
    return with_predictions(scores, samples)


def text_queries(scores: Tensor, samples: Sequence[DataSample]) -> list[DataSample]:
    """Scores (M,B) of texts and all images -> a sample for each text of the samples."""
    queries = []
    for sample in samples:
        for place, text in enumerate(texts_of(sample)):
            query = DataSample()
            query.set_field(text, 'text')
            if 'gt_image_id' in sample:
                query.set_gt_label(sample.gt_image_id[place])
            queries.append(query)
    return with_predictions(scores, queries)


def with_predictions(scores: Tensor, samples: Sequence[DataSample]) -> list[DataSample]:
    """Set each sample's `pred_score`, a row of the scores, and `pred_label`, its best."""
    for sample, row in zip(samples, scores, strict=True):
        sample.set_pred_score(row).set_pred_label(row.argmax())
    return list(samples)

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Classification by the nearest of labelled features."""

from __future__ import annotations

from torch import Tensor

from mmcoca.errors import SettingError

# Similarities held at once: 256 MiB of float32.
_CHUNK_ELEMENTS = 1 << 26


def knn_scores(
    query_features: Tensor,
    key_features: Tensor,
    key_labels: Tensor,
    num_classes: int,
    k: int = 20,
    temperature: float = 0.07,
) -> Tensor:
    """The classes' scores (queries,classes) by a vote of each query's nearest keys; they sum to 1.

    A key votes for its class with weight exp(cosine similarity / temperature), as in DINO (arXiv
    2104.14294, appendix F).

    Args:
        query_features: L2-normalised (queries,E).
        key_features: L2-normalised (keys,E).
        key_labels: Classes (keys,), integers.
        k: Keys that vote.

    Raises:
        ValueError: There are fewer than k keys, or a label is none of the classes.
    """
    if not 1 <= k <= len(key_features):
        raise SettingError(f'{k} nearest neighbours (k) of {len(key_features)} keys: lower k')
    if key_labels.min() < 0 or key_labels.max() >= num_classes:
        raise ValueError(
            f'the labels of the keys go from {int(key_labels.min())} to {int(key_labels.max())}, '
            f'but there are {num_classes} classes'
        )
    rows = max(1, _CHUNK_ELEMENTS // len(key_features))
    scores = query_features.new_zeros(len(query_features), num_classes)
    for queries, chunk in zip(query_features.split(rows), scores.split(rows)):
        similarities, nearest = (queries @ key_features.T).topk(k, dim=1)
        # A softmax, in place of exponentials, so that no temperature overflows.
        weights = (similarities / temperature).softmax(dim=1)
        chunk.scatter_add_(1, key_labels[nearest], weights)
    return scores

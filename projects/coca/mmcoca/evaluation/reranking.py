# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Retrieval whose best candidates are ordered anew by another score."""

from __future__ import annotations

import torch
from torch import Tensor


def nearest_keys(query_features: Tensor, key_features: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Each query's most similar keys (queries,candidates), and their similarities, the same shape.

    Args:
        query_features: L2-normalised (queries,E). key_features: L2-normalised (keys,E).
        top_k: Candidates.
    """
    best = [
        (chunk @ key_features.T).topk(min(top_k, len(key_features)), dim=1)
        for chunk in query_features.split(1024)
    ]
    return torch.cat([x.indices for x in best]), torch.cat([x.values for x in best])


def reranked_ranks(ranks: Tensor, candidates: Tensor, scores: Tensor, relevant: Tensor) -> Tensor:
    """Rank of each query's best relevant key after its candidates are ordered by their scores.

    The candidates stay ahead of all other keys. As in `relevant_ranks` a tie counts against the
    model.

    Args:
        ranks: (queries,), of `relevant_ranks`, which hold where no candidate is relevant.
        candidates: Keys (queries,candidates) that were most similar. scores: (queries,candidates).
        relevant: (pairs,2) index pairs (query, key).
    """
    num_keys = int(max(candidates.max(), relevant[:, 1].max())) + 1
    queries = torch.arange(len(candidates), device=candidates.device)[:, None]
    is_relevant = torch.isin(
        queries * num_keys + candidates, relevant[:, 0] * num_keys + relevant[:, 1]
    )
    best = scores.masked_fill(~is_relevant, -torch.inf).amax(dim=1, keepdim=True)
    ahead = (~is_relevant & ~(scores < best)).sum(dim=1)
    return torch.where(is_relevant.any(dim=1), ahead, ranks)

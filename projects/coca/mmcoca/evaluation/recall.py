# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Recall@k of retrieval between L2-normalised features.

A query is a hit at k if one of its k nearest keys is relevant. Its rank is the number of irrelevant
keys that score at least as much as its best relevant key, so a tie always counts against the model:
features that collapse to a constant have recall 0 as long as k irrelevant keys exist. A score of
NaN ties with everything.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

# Similarities held at once: 16 MiB of float32; larger chunks fall out of the cache and are slower.
_CHUNK_ELEMENTS = 1 << 22


def pairs_of_equal_groups(query_groups: Tensor, key_groups: Tensor) -> Tensor:
    """Index pairs (pairs,2) of query and key whose group ids (queries,) and (keys,) are equal."""
    order = key_groups.argsort()
    sorted_groups = key_groups[order]
    first = torch.searchsorted(sorted_groups, query_groups)
    counts = torch.searchsorted(sorted_groups, query_groups, right=True) - first
    queries = torch.arange(len(query_groups), device=counts.device).repeat_interleave(counts)
    # Number the pairs of each query 0, 1, ...: they are neighbours in the sorted keys.
    starts = (counts.cumsum(0) - counts).repeat_interleave(counts)
    within = torch.arange(len(queries), device=counts.device) - starts
    return torch.stack([queries, order[first[queries] + within]], dim=1)


def relevant_ranks(query_features: Tensor, key_features: Tensor, relevant: Tensor) -> Tensor:
    """Rank of each query's best relevant key: how many irrelevant keys score at least as much.

    Args:
        query_features: L2-normalised (queries,E).
        key_features: L2-normalised (keys,E).
        relevant: (pairs,2) index pairs (query, key), in any order; repeated pairs are allowed.

    Returns:
        Ranks (queries,), 0 for the best.

    Raises:
        ValueError: There is no query, or a query has no relevant key.
    """
    num_queries, num_keys = len(query_features), len(key_features)
    if num_queries == 0:
        raise ValueError('recall needs at least one query, but there is none')
    relevant = relevant.to(query_features.device).unique(dim=0)  # sorted by query
    counts = relevant[:, 0].bincount(minlength=num_queries)
    if (counts == 0).any():
        raise ValueError(f'query {int((counts == 0).nonzero()[0])} has no relevant key')

    rows = max(1, _CHUNK_ELEMENTS // num_keys)
    query_features, keys = query_features.float(), key_features.float().T
    ranks = []
    for start, pairs in zip(
        range(0, num_queries, rows),
        relevant.split([int(chunk.sum()) for chunk in counts.split(rows)]),
        strict=True,
    ):
        scores = query_features[start:start + rows] @ keys
        query, key = pairs[:, 0] - start, pairs[:, 1]
        pair_scores = scores[query, key]
        best = scores.new_full((len(scores), ), -torch.inf)
        best.scatter_reduce_(0, query, pair_scores, 'amax')
        # "Not less" rather than "at least": it holds for NaN.
        at_least = len(keys.T) - (scores < best[:, None]).sum(1)
        relevant_at_least = query[~(pair_scores < best[query])].bincount(minlength=len(scores))
        ranks.append(at_least - relevant_at_least)
    return torch.cat(ranks)


def recalls_from_ranks(ranks: Tensor, ks: Sequence[int] = (1, 5, 10)) -> dict[int, float]:
    """Percent of ranks (queries,) below each k; a k above the number of keys is allowed."""
    return {k: 100.0 * (ranks < k).double().mean().item() for k in ks}


def recall_at_k(
    query_features: Tensor,
    key_features: Tensor,
    query_groups: Tensor,
    key_groups: Tensor,
    ks: Sequence[int] = (1, 5, 10),
) -> dict[int, float]:
    """Recall@k in percent; a key is relevant to a query if their group ids are equal.

    Args:
        query_features: L2-normalised (queries,E).
        key_features: L2-normalised (keys,E).
        query_groups: Group ids (queries,), integers.
        key_groups: Group ids (keys,), integers.
        ks: Numbers of nearest keys to look at.

    Raises:
        ValueError: There is no query, or a query has no relevant key.
    """
    relevant = pairs_of_equal_groups(query_groups, key_groups)
    return recalls_from_ranks(relevant_ranks(query_features, key_features, relevant), ks)


def retrieval_recalls(
    image_features: Tensor,
    text_features: Tensor,
    image_groups: Tensor,
    text_groups: Tensor,
    ks: Sequence[int] = (1, 5, 10),
) -> dict[str, dict[int, float]]:
    """Recall@k in percent from images to texts ('i2t') and from texts to images ('t2i').

    See `recall_at_k`. With COCO's five captions an image, `image_groups` is `arange(images)` and
    `text_groups` holds the index of each text's image.
    """
    return {
        'i2t': recall_at_k(image_features, text_features, image_groups, text_groups, ks),
        't2i': recall_at_k(text_features, image_features, text_groups, image_groups, ks),
    }

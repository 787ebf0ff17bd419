# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import math

import pytest
import torch
import torch.nn.functional as F
from warm_processes import run_on_ranks

from mmcoca.evaluation import knn, knn_scores
from mmcoca.evaluation.feature_loop import gather, gather_objects


def features(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, 6, generator=generator), dim=-1)


def vote(query, keys, labels, num_classes, k, temperature):
    """One query, as the definition reads."""
    similarities = [float(query @ key) for key in keys]
    nearest = sorted(range(len(keys)), key=lambda i: -similarities[i])[:k]
    scores = [0.0] * num_classes
    for i in nearest:
        scores[int(labels[i])] += math.exp(similarities[i] / temperature)
    return [score / sum(scores) for score in scores]


@pytest.mark.parametrize('k, temperature', [(1, 0.07), (5, 0.07), (5, 1.0), (40, 0.2)])
def test_votes_as_defined(monkeypatch, k, temperature):
    monkeypatch.setattr(knn, '_CHUNK_ELEMENTS', 3 * 40)  # three queries at a time
    queries, keys = features(11, 0), features(40, 1)
    labels = torch.randint(7, (40, ), generator=torch.Generator().manual_seed(2))
    scores = knn_scores(queries, keys, labels, num_classes=7, k=k, temperature=temperature)
    expected = [vote(query, keys, labels, 7, k, temperature) for query in queries]
    torch.testing.assert_close(scores, torch.tensor(expected))


def test_two_far_keys_can_outvote_a_near_one():
    """By hand: weights e^1, and twice e^0.8."""
    queries = torch.tensor([[1.0, 0.0]])
    keys = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.8, -0.6], [-1.0, 0.0]])
    labels = torch.tensor([0, 1, 1, 2])
    scores = knn_scores(queries, keys, labels, num_classes=3, k=3, temperature=1.0)
    near, far = math.exp(1.0), 2 * math.exp(0.8)
    expected = torch.tensor([[near, far, 0.0]]) / (near + far)
    torch.testing.assert_close(scores, expected)
    sharp = knn_scores(queries, keys, labels, num_classes=3, k=3, temperature=1e-3)
    torch.testing.assert_close(sharp, torch.tensor([[1.0, 0.0, 0.0]]))


def test_errors():
    keys = features(4, 0)
    with pytest.raises(ValueError, match=r'5 nearest neighbours \(k\) of 4 keys'):
        knn_scores(keys, keys, torch.arange(4), num_classes=4, k=5)
    with pytest.raises(ValueError, match='from 0 to 3, but there are 3 classes'):
        knn_scores(keys, keys, torch.arange(4), num_classes=3, k=2)


def gather_on_rank(rank):
    """Seven rows, as MMEngine's default sampler deals them out to two, padded to eight."""
    rows = torch.arange(7)[[i % 7 for i in range(rank, 8, 2)]]
    found = gather(rows, 7).tolist()
    assert gather_objects([f'row {i}' for i in rows], 7) == [f'row {i}' for i in found]
    return found


def test_two_processes_gather_the_rows_in_order():
    assert run_on_ranks(gather_on_rank, 2) == [list(range(7))] * 2
    assert gather(torch.arange(7), 7).tolist() == list(range(7))

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import pytest
import torch
import torch.nn.functional as F
from mmpretrain.evaluation import RetrievalRecall

from mmcoca.evaluation import recall, recall_at_k, retrieval_recalls


def random_features(count, seed, tied=False):
    """Unit vectors (count,8) or, for many ties, vectors of -1, 0 and 1: exact products."""
    generator = torch.Generator().manual_seed(seed)
    if tied:
        return torch.randint(-1, 2, (count, 8), generator=generator).float()
    return F.normalize(torch.randn(count, 8, generator=generator))


def brute_force_recall(scores, relevant, k):
    """Percent of rows with a relevant column among the k best; in a tie, irrelevant ones first."""
    hits = 0
    for row, is_relevant in zip(scores.tolist(), relevant.tolist(), strict=True):
        order = sorted(range(len(row)), key=lambda j: (-row[j], is_relevant[j]))
        hits += any(is_relevant[j] for j in order[:k])
    return 100 * hits / len(scores)


@pytest.mark.parametrize('chunk_elements', [1, 100, 1 << 22])
@pytest.mark.parametrize('tied', [False, True])
def test_recall_equals_brute_force(monkeypatch, chunk_elements, tied):
    monkeypatch.setattr(recall, '_CHUNK_ELEMENTS', chunk_elements)
    queries, keys = random_features(37, 0, tied), random_features(50, 1, tied)
    scores = queries @ keys.T
    assert tied == any(len(row.unique()) < len(row) for row in scores)
    generator = torch.Generator().manual_seed(2)
    query_groups = torch.randint(10, (37, ), generator=generator) * 7 - 20
    others = torch.randint(-30, 60, (50, ), generator=generator)
    key_groups = torch.cat([query_groups.unique(), others])[:50]
    recalls = recall_at_k(queries, keys, query_groups, key_groups, ks=(1, 3, 20, 50, 1000))
    relevant = query_groups[:, None] == key_groups
    for k, value in recalls.items():
        assert value == pytest.approx(brute_force_recall(scores, relevant, k)), k
    assert recalls[1000] == 100


def test_recall_equals_mmpretrain_with_one_relevant_key():
    images, texts = random_features(60, 0), random_features(60, 1)
    texts = F.normalize(texts + images)
    groups = torch.arange(60)
    ours = retrieval_recalls(images, texts, groups, groups, ks=(1, 5, 10))
    for direction, scores in (('i2t', images @ texts.T), ('t2i', texts @ images.T)):
        theirs = RetrievalRecall.calculate(
            scores, groups[:, None].tolist(), (1, 5, 10), False, True
        )
        assert list(ours[direction].values()) == pytest.approx([float(value) for value in theirs])
        assert 0 < ours[direction][1] < 100


def test_five_captions_an_image():
    images = torch.eye(3)
    # Image 0 finds one of its texts first; image 1 finds one of image 2's first; image 2 its own.
    texts = F.normalize(
        torch.tensor([[9.0, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 1], [0, 9, 1], [0, 1, 9.0]])
    )
    recalls = retrieval_recalls(
        images, texts, torch.arange(3), torch.tensor([0, 0, 1, 1, 2, 2]), ks=(1, 2)
    )
    assert recalls['i2t'][1] == pytest.approx(100 / 3)
    assert recalls['i2t'][2] == pytest.approx(100)
    # Texts 2 and 3 lie as near to a wrong image: a tie counts against them.
    assert recalls['t2i'][1] == pytest.approx(100 * 2 / 6)


@pytest.mark.parametrize('value', [1.0, float('nan')])
def test_collapsed_features_find_nothing(value):
    features = F.normalize(torch.full((100, 16), value))
    groups = torch.arange(100)
    recalls = recall_at_k(features, features, groups, groups, ks=(1, 10, 99, 100))
    assert recalls == {1: 0.0, 10: 0.0, 99: 0.0, 100: 100.0}


def test_one_nan_query_does_not_touch_the_others():
    queries = torch.eye(4)
    queries[2] = float('nan')
    groups = torch.arange(4)
    assert recall_at_k(queries, torch.eye(4), groups, groups, ks=(1, )) == {1: 75.0}


def test_bad_queries_are_named():
    eye = torch.eye(3)
    with pytest.raises(ValueError, match='query 1 has no relevant key'):
        recall_at_k(eye, eye, torch.tensor([4, 5, 6]), torch.tensor([6, 4, 4]))
    with pytest.raises(ValueError, match='at least one query'):
        recall_at_k(eye[:0], eye, torch.arange(0), torch.arange(3))

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Several sources as one, and labels as captions."""

from collections import Counter

import pytest
from mmengine.registry import init_default_scope
from torch.utils.data import Dataset

from mmcoca.datasets import LabelsAsText, MixedDataset, TrainingSampler
from mmcoca.errors import SettingError


class Numbers(Dataset):

    def __init__(self, name, size):
        self.name, self.size = name, size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        assert 0 <= index < self.size
        return self.name, index


SIZES = dict(a=300, b=1000, c=77)


@pytest.mark.parametrize('weights', [None, (1, 1, 1), (5, 3, 2), (1, 10, 0.5)])
def test_shares_hold_in_each_stretch_and_all_are_visited(weights):
    data = MixedDataset([Numbers(name, size) for name, size in SIZES.items()], weights)
    items = [data[i] for i in range(len(data))]
    weights = weights or (1, 1, 1)
    for start in range(0, len(items) - 500, 250):
        counts = Counter(name for name, _ in items[start:start + 500])
        for name, weight in zip(SIZES, weights):
            assert counts[name] == pytest.approx(500 * weight / sum(weights), abs=2.5)
    visits = Counter(items)
    for name, size in SIZES.items():
        of_source = [visits[name, item] for item in range(size)]
        assert min(of_source) >= 1 and max(of_source) - min(of_source) <= 1
    # No longer than the longest lasting source needs.
    assert min(visits[name, item] for name, size in SIZES.items() for item in range(size)) == 1


def test_the_last_item_of_each_source_is_visited():
    """Though its share lags behind in a part of the pattern."""
    data = MixedDataset(
        [Numbers(*source) for source in zip('abcd', (21, 10, 220, 86))], [0.1, 1, 1, 10]
    )
    visited = {data[item] for item in range(len(data))}
    assert len(visited) == 21 + 10 + 220 + 86


def test_one_source_and_a_lot_more_of_another():
    data = MixedDataset([Numbers('a', 10), Numbers('b', 10**6)], [0.5, 0.5])
    assert len(data) == 2 * 10**6
    names = Counter(data[i][0] for i in range(0, len(data), 997))
    assert names['a'] / sum(names.values()) == pytest.approx(0.5, abs=0.03)
    assert MixedDataset([Numbers('a', 10)])[9] == ('a', 9)


def test_weights_that_do_not_fit():
    sources = [Numbers('a', 1), Numbers('b', 1)]
    for weights in ([1], [1, 0], [1, -1], [1, 'x'], [1, 1e-4], '1,1'):
        with pytest.raises(SettingError, match='weights='):
            MixedDataset(sources, weights)
    with pytest.raises(IndexError):
        MixedDataset(sources)[2]


def test_sampled_whole_or_in_stretches():
    data = MixedDataset([Numbers('a', 10), Numbers('b', 30)])
    assert data.shard_sizes is None
    assert sorted(TrainingSampler(data, seed=0)) == list(range(60))
    sharded = Numbers('c', 30_000)
    sharded.shard_sizes = [15_000, 15_000]
    data = MixedDataset([Numbers('a', 10), sharded])
    assert data.shard_sizes.sum() == len(data) == 60_000
    assert sorted(TrainingSampler(data, seed=0, window=100)) == list(range(60_000))


def test_a_plain_source_beside_shards_is_shuffled_too():
    """As a whole: else the sampler would shuffle stretches of it alone."""
    sharded = Numbers('shards', 40_000)
    sharded.shard_sizes = [20_000, 20_000]
    data = MixedDataset([Numbers('plain', 50_000), sharded])
    sampler = TrainingSampler(data, seed=0)
    first = [data[item] for item, _ in zip(sampler, range(20_000))]
    plain = [item for name, item in first if name == 'plain']
    tenths = Counter(item // 5_000 for item in plain)
    assert len(plain) == pytest.approx(10_000, rel=0.05)
    assert len(tenths) == 10 and min(tenths.values()) > 800
    visits = Counter(data[item] for item in range(len(data)))
    assert len(visits) == 90_000 and {visits['plain', item] for item in range(50_000)} == {1}


def test_labels_as_text():
    init_default_scope('mmpretrain')
    transform = LabelsAsText(['cat', 'dog', 'emu'], ['a {}.', 'photo of {}'])
    captions = {transform(dict(gt_label=1))['gt_caption'] for _ in range(50)}
    assert captions == {'a dog.', 'photo of dog'}
    several = {transform(dict(gt_label=[0, 2]))['gt_caption'] for _ in range(100)}
    assert several == {'a cat, emu.', 'a emu, cat.', 'photo of cat, emu', 'photo of emu, cat'}
    assert LabelsAsText('cifar10')(dict(gt_label=0))['gt_caption'] == 'airplane'
    braces = LabelsAsText(['cat'], ['a {x} of {}'])
    assert braces(dict(gt_label=0))['gt_caption'] == 'a {x} of cat'
    with pytest.raises(SettingError, match='cannot|class'):
        LabelsAsText('no such file')
    for wrong, message in (
        (dict(), 'gives no gt_label'), (dict(gt_label=3), '3 classes, but label 3')
    ):
        with pytest.raises(SettingError, match=message):
            transform(wrong)

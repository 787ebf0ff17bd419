# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""In which order a training visits its items, and what they draw."""

import pickle
import random
import tracemalloc
from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader, Dataset

from mmcoca.datasets import DrawnIndex, EpochOrder, SeededDataset, TrainingSampler, sampling
from mmcoca.registry import DATA_SAMPLERS
from mmcoca.seeds import permutation, permuted, seeds_at


class Sized:

    def __init__(self, size, shard_sizes=None):
        self.size = size
        if shard_sizes is not None:
            self.shard_sizes = shard_sizes

    def __len__(self):
        return self.size


SHARDED = Sized(1000, np.array([100, 1, 399, 0, 500]))


@pytest.fixture
def as_process(monkeypatch):
    """A sampler as process `rank` of `world_size` makes it."""

    def make(dataset, rank=0, world_size=1, **options):
        monkeypatch.setattr(sampling, 'get_dist_info', lambda: (rank, world_size))
        return TrainingSampler(dataset, **dict(dict(seed=3, window=64), **options))

    return make


@pytest.mark.parametrize('dataset', [SHARDED, Sized(1000)], ids=['shards', 'whole'])
@pytest.mark.parametrize('window', [64, 512])
@pytest.mark.parametrize('world_size', [1, 2, 3, 7])
def test_each_item_once_an_epoch_over_all_processes(as_process, dataset, world_size, window):
    alone = list(as_process(dataset, window=window))
    assert sorted(alone) == list(range(1000)) != alone
    lists = [
        list(as_process(dataset, rank, world_size, window=window)) for rank in range(world_size)
    ]
    assert {len(items) for items in lists} == {-(-1000 // world_size)}
    together = [item for step in zip(*lists) for item in step]
    assert together[:1000] == alone
    assert together[1000:] == alone[:len(together) - 1000]
    # A seed for each visit, whichever process it is of.
    seeds = [item.seed for step in zip(*lists) for item in step]
    assert seeds[:1000] == [item.seed for item in alone] and len(set(seeds)) == len(seeds)


def test_epochs_and_seeds_differ(as_process):
    sampler = as_process(SHARDED)
    first, again = list(sampler), list(sampler)
    assert first == again and [i.seed for i in first] == [i.seed for i in again]
    sampler.set_epoch(1)
    second = list(sampler)
    assert sorted(second) == sorted(first) and second != first
    assert not {i.seed for i in first} & {i.seed for i in second}
    assert list(as_process(SHARDED, seed=4)) != first
    assert list(as_process(SHARDED, shuffle=False)) == list(range(1000))


def test_items_of_a_shard_stay_together(as_process):
    """Within a window, which shuffles what follows each other in the stream of shards."""
    ends = np.cumsum(SHARDED.shard_sizes)
    shards = [int(np.searchsorted(ends, item, 'right')) for item in as_process(SHARDED)]
    for start in range(0, 1000, 64):
        assert len(set(shards[start:start + 64])) <= 3
    assert list(dict.fromkeys(shards)) != sorted(set(shards))


@pytest.mark.parametrize('dataset', [SHARDED, Sized(1000)], ids=['shards', 'whole'])
@pytest.mark.parametrize('position', [0, 6, 63, 64, 640, 999])
def test_going_on_with_another_number_of_processes(as_process, dataset, position):
    rest = list(as_process(dataset))[position:]
    for world_size in (1, 2, 5):
        lists = []
        for rank in range(world_size):
            sampler = as_process(dataset, rank, world_size)
            sampler.go_on(0, position)
            lists.append(list(sampler))
            assert len(sampler) == len(lists[-1])
        together = [item for step in zip(*lists) for item in step]
        assert together[:len(rest)] == rest
        assert [i.seed for i in together[:len(rest)]] == [i.seed for i in rest]
        assert len(together) - len(rest) < world_size


def test_memory_does_not_grow_with_the_number_of_items(as_process):
    sampler = as_process(Sized(10**9, np.full(10**5, 10**4)), window=2**16)
    tracemalloc.start()
    sampler.go_on(0, 10**9 - 10**6)
    drawn = list(islice(sampler, 1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(set(drawn)) == 1000 and peak < 50 * 2**20


@pytest.mark.parametrize('size', [1, 2, 3, 16, 17, 1000])
def test_a_permutation_place_by_place(size):
    orders = [[permuted(place, size, 0, time) for place in range(size)] for time in range(20)]
    assert all(sorted(order) == list(range(size)) for order in orders)
    if size == 1000:
        # As random orders: places have the items' mean, and no place tells its neighbour's item.
        means = np.mean(orders, axis=0)
        assert means.std() == pytest.approx(1000 / 12**0.5 / 20**0.5, rel=0.15)
        assert abs(np.corrcoef(orders[0][:-1], orders[0][1:])[0, 1]) < 0.1


def test_order_is_the_same_in_all_versions():
    """A resume from checkpoints that people have relies on it."""
    assert permutation(8, 0, 0).tolist() == [3, 2, 1, 6, 0, 7, 4, 5]
    assert [permuted(place, 8, 0, 0) for place in range(8)] == [7, 5, 4, 1, 0, 2, 6, 3]
    assert seeds_at((0, 0), np.arange(2)).tolist() == [429404410292939812, 7378380503522490360]
    order = EpochOrder(np.array([3, 2, 4]), (7, 1), 4)
    assert [order.of_window(number).tolist()
            for number in range(3)] == [[5, 4, 3, 6], [0, 1, 8, 7], [2]]
    order = EpochOrder(np.array([3, 2]), None, 4)
    assert order.of_window(0).tolist() == [0, 1, 2, 3] and order.of_window(1).tolist() == [4]


def test_seeds_are_independent():
    bits = np.unpackbits(seeds_at((0, 0), np.arange(4096)).view(np.uint8))
    assert abs(bits.mean() - 0.5) < 0.005
    assert len({*seeds_at((0, 0), np.arange(1000)), *seeds_at((0, 1), np.arange(1000))}) == 2000


class Draws(Dataset):
    """What each generator draws first."""

    def __len__(self):
        return 60

    def __getitem__(self, index):
        return index, random.random(), np.random.rand(), float(torch.rand(()))


def collate(items):
    return items


@pytest.mark.parametrize('num_workers', [0, 1, 2])
def test_what_is_drawn_is_of_the_visit(as_process, num_workers):
    data = SeededDataset(Draws())
    sampler = as_process(data)
    random.seed(num_workers)
    loader = DataLoader(data, 7, sampler=sampler, num_workers=num_workers, collate_fn=collate)
    seen = [item for batch in loader for item in batch]
    expected = [data[index] for index in sampler]
    assert seen == expected
    assert Counter(map(len, zip(*seen))) == {60: 4} and len({item[1:] for item in seen}) == 60


def test_a_visit_leaves_the_generators_alone():
    data = SeededDataset(Draws())
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    expected = random.random(), np.random.rand(), float(torch.rand(()))
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    data[DrawnIndex(3, 2**64 - 1)]
    assert (random.random(), np.random.rand(), float(torch.rand(()))) == expected


def test_the_data_set_shows_through():

    class Named(Draws):
        metainfo = dict(classes=('a', 'b'))

    data = SeededDataset(Named())
    assert len(data) == 60 and data.metainfo['classes'] == ('a', 'b')
    assert not hasattr(data, 'shard_sizes')
    copy = pickle.loads(pickle.dumps(SeededDataset(Draws())))
    assert len(copy) == 60
    index = pickle.loads(pickle.dumps(DrawnIndex(3, 2**63)))
    assert index == 3 and index.seed == 2**63


def test_built_by_name():
    init_default_scope('mmpretrain')
    config = dict(type='mmcoca.TrainingSampler')
    sampler = DATA_SAMPLERS.build(config, default_args=dict(dataset=Sized(3), seed=0))
    assert sorted(sampler) == [0, 1, 2]
    with pytest.raises(ValueError, match='window is 0'):
        TrainingSampler(Sized(3), seed=0, window=0)

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""In which order training visits the items of a data set, and with which random numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from mmcoca.registry import DATA_SAMPLERS
from mmcoca.seeds import permutation, seeds_at

WINDOW = 2**16


class DrawnIndex(int):
    """The number of an item, with the seed of what its transforms draw at this visit."""

    seed: int

    def __new__(cls, index: int, seed: int) -> DrawnIndex:
        drawn = super().__new__(cls, index)
        drawn.seed = seed
        return drawn

    def __reduce__(self) -> tuple:  # on its way to a loading worker
        return DrawnIndex, (int(self), self.seed)


class EpochOrder:
    """The order of one epoch: shards shuffled, and their items within windows of the stream.

    Any part of it costs the same, wherever it begins: memory grows with shards and window alone.

    Args:
        sizes: Number of items of each shard.
        key: Numbers that decide the order, such as seed and epoch; None: as they lie.
        window: Items that are shuffled together.
    """

    def __init__(self, sizes: np.ndarray, key: tuple[int, ...] | None, window: int) -> None:
        shards = np.arange(len(sizes)) if key is None else permutation(len(sizes), *key, 0)
        self.num_items = int(sizes.sum())
        self.key = key
        self.window = window
        self._ends = np.cumsum(sizes[shards])  # of each shard in the stream
        first = np.cumsum(sizes) - sizes  # item of each shard in the data set
        self._offsets = first[shards] - (self._ends - sizes[shards])

    def of_window(self, number: int) -> np.ndarray:
        """The items of a window, in order."""
        start = number * self.window
        size = min(self.window, self.num_items - start)
        places = np.arange(size) if self.key is None else permutation(size, *self.key, number + 1)
        places = places + start
        return places + self._offsets[np.searchsorted(self._ends, places, side='right')]


@DATA_SAMPLERS.register_module()
class TrainingSampler(Sampler):
    """Each item once an epoch over all processes and workers, in an order that a position tells.

    Process r of P visits the positions r, r + P, ... of an epoch. Where P does not divide the
    number of items, the first P - 1 of the epoch at most are visited again at its end, so that all
    processes have as many; a loader's `drop_last` leaves out what does not fill a batch. A training
    goes on in the middle of an epoch by `go_on`, also with another number of processes, without a
    look at what was visited.

    Data sets with `shard_sizes` are shuffled shard by shard and within a window, so that items that
    lie together are read together; others as a whole.

    Args:
        dataset: The data set. Its transforms draw by seed, epoch and position in a SeededDataset,
            which tools/train.py puts around it.
        seed: Of the order; None: the same random one in all processes.
        shuffle: Off, the items come as they lie.
        window: Items of shards that are shuffled together.
    """

    def __init__(
        self,
        dataset: Sized,
        seed: int | None = None,
        shuffle: bool = True,
        window: int = WINDOW,
    ) -> None:
        if window < 1:
            raise ValueError(f'window is {window}: use 1 or more')
        self.rank, self.world_size = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        self.shuffle = shuffle
        self.epoch = 0
        self.start = 0  # position at which the epoch begins, after a resume
        self.num_items = len(dataset)
        sizes: Sequence[int] | None = getattr(dataset, 'shard_sizes', None)
        if sizes is not None and sum(sizes) != self.num_items:  # of more than these items
            sizes = None
        self.sizes = np.array([self.num_items] if sizes is None else sizes, np.int64)
        self.window = max(1, self.num_items) if sizes is None else window

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch at its first position."""
        self.epoch, self.start = epoch, 0

    def go_on(self, epoch: int, position: int) -> None:
        """Begin an epoch at a position: so many items of it have been visited by all processes."""
        self.epoch, self.start = epoch, position

    def __len__(self) -> int:
        """Items that this process visits from the start on."""
        return max(0, -((self.start - self.num_items) // self.world_size))

    def __iter__(self) -> Iterator[DrawnIndex]:
        """The items, each with its seed."""
        order = EpochOrder(
            self.sizes, (self.seed, self.epoch) if self.shuffle else None, self.window
        )
        stop = self.start + len(self) * self.world_size
        positions = range(self.start + self.rank, stop, self.world_size)
        for begin in range(0, len(positions), self.window):
            part = np.array(positions[begin:begin + self.window], np.int64)
            yield from self._visits(order, part)

    def _visits(self, order: EpochOrder, positions: np.ndarray) -> Iterator[DrawnIndex]:
        """The items at rising positions."""
        seeds = seeds_at((self.seed, self.epoch), positions)
        places = positions % order.num_items
        windows = places // order.window
        borders = np.flatnonzero(np.diff(windows)) + 1  # behind the last item comes the first again
        for here in np.split(np.arange(len(positions)), borders):
            number = int(windows[here[0]])
            items = order.of_window(number)[places[here] - number * order.window]
            yield from map(DrawnIndex, items.tolist(), seeds[here].tolist())

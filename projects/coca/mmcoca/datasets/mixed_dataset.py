# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Several data sets as one, each with its share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from mmcoca.errors import SettingError
from mmcoca.registry import DATASETS
from mmcoca.seeds import permuted

PERIOD = 1000  # items after which the shares repeat
BLOCK = 10 * PERIOD  # items that lie together, where a source has shards


@DATASETS.register_module()
class MixedDataset(Dataset):
    """Items of several sources, shards or not, in shares that hold in each stretch of the mix.

    The paper mixes its two sources half and half in each batch (section 4.1). An epoch is as long
    as the source that lasts longest needs to be visited whole; the items of the others come again
    and again, each as often as the next, but for one. Where one source has shards, a sampler
    shuffles stretches of the mix alone, so that the items of a source without come in an order
    drawn anew for each time they are visited.

    Args:
        datasets: The sources, or their configs.
        weights: Of each source; its share is its weight over their sum, to a thousandth. None: all
            alike.

    Raises SettingError for weights that do not fit the sources.
    """

    metainfo: dict[str, Any] = {}

    def __init__(
        self,
        datasets: Sequence[Mapping | Dataset],
        weights: Sequence[float] | None = None,
    ) -> None:
        self.datasets = [DATASETS.build(d) if isinstance(d, Mapping) else d for d in datasets]
        self.full_init()
        self._pattern = pattern(len(self.datasets), weights)
        self._shares = np.bincount(self._pattern, minlength=len(self.datasets))
        # Items of the same source before each place of the pattern.
        same = self._pattern[:, None] == np.arange(len(self.datasets))
        self._before = (np.cumsum(same, 0) - same)[np.arange(PERIOD), self._pattern]
        has_shards = [getattr(d, 'shard_sizes', None) is not None for d in self.datasets]
        self._is_reordered = [any(has_shards) and not shards for shards in has_shards]

    def full_init(self) -> None:
        """Load the sources."""
        for dataset in self.datasets:
            if hasattr(dataset, 'full_init'):
                dataset.full_init()

    def __len__(self) -> int:
        return max(self._end_of(source) for source in range(len(self.datasets)))

    def _end_of(self, source: int) -> int:
        """Items of the mix until a source has been visited whole."""
        times, last = divmod(len(self.datasets[source]) - 1, int(self._shares[source]))
        return times * PERIOD + int(np.flatnonzero(self._pattern == source)[last]) + 1

    @property
    def shard_sizes(self) -> np.ndarray | None:
        """Stretches of the mix to be shuffled as shards are, where a source has shards."""
        if all(getattr(dataset, 'shard_sizes', None) is None for dataset in self.datasets):
            return None
        whole, rest = divmod(len(self), BLOCK)
        return np.array([BLOCK] * whole + [rest] * (rest > 0))

    def __getitem__(self, index: int) -> Any:
        """An item of one of the sources."""
        source, item = self.source_of(index)
        return self.datasets[source][item]

    def source_of(self, index: int) -> tuple[int, int]:
        """Number of the source of an item of the mix, and of the item there."""
        if not 0 <= index < len(self):
            raise IndexError(f'item {index} of {len(self)}')
        times, place = divmod(int(index), PERIOD)
        source = int(self._pattern[place])
        visit = times * int(self._shares[source]) + int(self._before[place])
        time, item = divmod(visit, len(self.datasets[source]))
        if self._is_reordered[source]:
            item = permuted(item, len(self.datasets[source]), source, time)
        return source, item


def pattern(num_sources: int, weights: Sequence[float] | None) -> np.ndarray:
    """The source of each of PERIOD items, those of one source spread evenly."""
    weights = [1] * num_sources if weights is None else weights
    if isinstance(weights, str):
        raise SettingError(f'weights={weights!r}: use a list of numbers')
    if len(weights) != num_sources or not num_sources:
        raise SettingError(f'weights={weights}: there are {num_sources} datasets')
    if not all(isinstance(weight, (int, float)) and weight > 0 for weight in weights):
        raise SettingError(f'weights={weights}: use numbers above 0')
    shares = np.array(weights) / sum(weights)
    sources = np.empty(PERIOD, np.int64)
    given = np.zeros(num_sources)
    for place in range(PERIOD):
        sources[place] = np.argmax(shares * (place + 1) - given)
        given[sources[place]] += 1
    if not given.all():
        raise SettingError(f'weights={weights}: the smallest is below a thousandth of their sum')
    return sources

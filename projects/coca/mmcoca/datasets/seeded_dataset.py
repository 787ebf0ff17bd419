# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Items whose random augmentation is of their visit, not of the worker that loads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.utils.data import Dataset, get_worker_info

from mmcoca.registry import DATASETS
from mmcoca.seeds import seed_generators, seeded

from .sampling import DrawnIndex


@DATASETS.register_module()
class SeededDataset(Dataset):
    """A data set, of any kind, that draws what the seed of a DrawnIndex says.

    Whatever loads the item, in whatever order, makes the same of it. All else is the data set's
    own.

    Args:
        dataset: The data set, or its config.
    """

    def __init__(self, dataset: Mapping | Dataset) -> None:
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, Mapping) else dataset

    def __getattr__(self, name: str) -> Any:
        # While it is copied or sent to a worker, the data set is not there yet; and Python's own
        # methods, such as __getstate__, are not to be those of the data set.
        if name == 'dataset' or name.startswith('__'):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        if not isinstance(index, DrawnIndex):
            return self.dataset[index]
        if get_worker_info() is not None:  # which draws for nothing else
            seed_generators(index.seed)
            return self.dataset[int(index)]
        with seeded(index.seed):
            return self.dataset[int(index)]

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Items that could not be read, counted over loading workers and processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch.utils.data import get_worker_info

from .transforms import UnreadableImageError

MAX_WORKERS = 255
KEPT = 16  # faults of a worker that are named
SHOWN = 10  # of all, in a message


def listing(rows: Sequence[str]) -> str:
    """The first rows, and how many more there are."""
    more = len(rows) - SHOWN
    return '; '.join(rows[:SHOWN]) + (f'; and {more} more' if more > 0 else '')


class FaultLog:
    """Counts of items that were read and of faults by kind, and which items the first faults were.

    It lies in shared memory, with a row for each worker, so that none waits for another.

    Args:
        kinds: Names of what may be wrong.
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        self.kinds = tuple(kinds)
        rows = MAX_WORKERS + 1
        self.visits = torch.zeros(rows, dtype=torch.int64).share_memory_()
        self.counts = torch.zeros(rows, len(self.kinds), dtype=torch.int64).share_memory_()
        self.items = torch.zeros(rows, KEPT, 2, dtype=torch.int64).share_memory_()

    def note_visit(self) -> None:
        """Count an item that was read."""
        self.visits.numpy()[self._row()] += 1

    def note_fault(self, item: int, kind: str) -> None:
        """Count a fault, and keep which item has it if it is one of the first."""
        row, number = self._row(), self.kinds.index(kind)
        place = int(self.counts[row].sum())
        if place < KEPT:
            self.items[row, place] = torch.tensor([item, number])
        self.counts[row, number] += 1

    @staticmethod
    def _row() -> int:
        worker = get_worker_info()
        return 0 if worker is None else 1 + worker.id % MAX_WORKERS

    def first(self) -> list[tuple[int, str]]:
        """Item and kind of the first faults of each worker, an item once."""
        found = set()
        for items, count in zip(self.items.tolist(), self.counts.sum(1).tolist()):
            found |= {(item, self.kinds[kind]) for item, kind in items[:count]}
        return sorted(found)

    def clear(self) -> None:
        """Begin anew."""
        for numbers in (self.visits, self.counts, self.items):
            numbers.zero_()


class Faults(NamedTuple):
    """What was wrong with the items of a data set.

    Attributes:
        visits: Number of items that were read.
        counts: Number of faults by kind.
        places: Where the first faults are.
    """

    visits: int
    counts: Counter[str]
    places: list[str]

    def __add__(self, other: Faults) -> Faults:
        places = self.places + [place for place in other.places if place not in self.places]
        return Faults(self.visits + other.visits, self.counts + other.counts, places)

    @property
    def total(self) -> int:
        """Number of faults."""
        return sum(self.counts.values())


class CountsFaults:
    """A data set that skips what it cannot read, up to a limit.

    Attributes:
        fault_log: What its workers count.
        max_unreadable: The largest fraction of the items that may be faulty.
    """

    fault_log: FaultLog
    max_unreadable: float

    def fault_source(self) -> str:
        """What the data set is made of, for messages."""
        raise NotImplementedError

    def fault_place(self, item: int, kind: str) -> str:
        """Where a faulty item stands, for messages."""
        raise NotImplementedError

    def faults(self) -> Faults:
        """What this process has counted since `fault_log` was cleared."""
        log = self.fault_log
        counts = Counter(dict(zip(log.kinds, log.counts.sum(0).tolist())))
        places = [self.fault_place(item, kind) for item, kind in log.first()]
        return Faults(int(log.visits.sum()), counts, places)

    def fault_report(self, faults: Faults) -> str:
        """A line on the faults of all processes."""
        kinds = ', '.join(f'{count} {kind}' for kind, count in faults.counts.items() if count)
        more = faults.total - len(faults.places[:SHOWN])
        places = '; '.join(faults.places[:SHOWN]) + (f'; and {more} more' if more > 0 else '')
        return (
            f'{self.fault_source()}: {faults.total} of {faults.visits} items could not be read and '
            f'were skipped ({kinds}): {places}'
        )

    def check_faults(self, faults: Faults) -> None:
        """Raise UnreadableImageError, with the report, past `max_unreadable`."""
        if faults.total > self.max_unreadable * max(len(self), faults.visits):
            raise UnreadableImageError(
                f'{self.fault_report(faults)} (the limit, max_unreadable of the data set, is '
                f'{self.max_unreadable:.2%})'
            )

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Items that could not be read, counted over loading workers and processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch.utils.data import get_worker_info

from mmcoca.errors import SettingError

from .transforms import UnreadableImageError

MAX_WORKERS = 255
KEPT = 16  # faulty items of a worker that are named
SHOWN = 10  # of all, in a message


def listing(rows: Sequence[str]) -> str:
    """The first rows, and how many more there are."""
    more = len(rows) - SHOWN
    return '; '.join(rows[:SHOWN]) + (f'; and {more} more' if more > 0 else '')


class Faults(NamedTuple):
    """What was wrong with the items of a data set.

    Attributes:
        visits: Number of items that were read.
        counts: Number of faults by kind.
        items: The first faulty items, with the kind.
    """

    visits: int
    counts: Counter[str]
    items: frozenset[tuple[int, str]]

    def __add__(self, other: Faults) -> Faults:
        return Faults(
            self.visits + other.visits, self.counts + other.counts, self.items | other.items
        )

    @property
    def total(self) -> int:
        """Number of faults."""
        return sum(self.counts.values())


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
        self.num_kept = torch.zeros(rows, dtype=torch.int64).share_memory_()
        self.kept = torch.zeros(rows, KEPT, 2, dtype=torch.int64).share_memory_()

    def note_visit(self) -> None:
        """Count an item that was read."""
        self.visits.numpy()[self._row()] += 1

    def note_fault(self, item: int, kind: str) -> None:
        """Count a fault, and keep which item has it if it is one of the first."""
        row, number = self._row(), self.kinds.index(kind)
        self.counts[row, number] += 1
        place = int(self.num_kept[row])
        if place < KEPT and [int(item), number] not in self.kept[row, :place].tolist():
            self.kept[row, place] = torch.tensor([int(item), number])
            self.num_kept[row] += 1

    @staticmethod
    def _row() -> int:
        worker = get_worker_info()
        return 0 if worker is None else 1 + worker.id % MAX_WORKERS

    def faults(self) -> Faults:
        """What was counted since `clear`."""
        counts = Counter(dict(zip(self.kinds, self.counts.sum(0).tolist())))
        rows = zip(self.kept.tolist(), self.num_kept.tolist())
        kept = [pair for items, number in rows if number for pair in items[:number]]
        items = frozenset((item, self.kinds[kind]) for item, kind in kept)
        return Faults(int(self.visits.sum()), +counts, items)

    def clear(self) -> None:
        """Begin anew."""
        for numbers in (self.visits, self.counts, self.num_kept):
            numbers.zero_()


def check_fraction(max_unreadable: float) -> float:
    """The setting itself. Raises SettingError for what is no fraction."""
    if not isinstance(max_unreadable, (int, float)) or not 0 <= max_unreadable <= 1:
        raise SettingError(f'max_unreadable={max_unreadable!r}: use a fraction from 0 to 1')
    return max_unreadable


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

    def fault_group(self, item: int) -> int:
        """What an item is part of: the first faults of each group are named before others."""
        return 0

    def fault_report(self, faults: Faults) -> str | None:
        """A line on the faults of all processes; None where there are none."""
        if not faults.total:
            return None
        kinds = ', '.join(f'{count} {kind}' for kind, count in faults.counts.items())
        places = [self.fault_place(*item) for item in self._first_of_groups(faults.items)[:SHOWN]]
        more = ', among others' if len(faults.items) > SHOWN else ''
        return (
            f'{self.fault_source()}: {faults.total} of {max(faults.visits, faults.total)} items '
            'could not be read and '
            f'were skipped ({kinds}): {"; ".join(places)}{more}'
        )

    def _first_of_groups(self, items: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
        """Faulty items, one of each group first, then another of each."""
        of_group, places = Counter(), {}
        for item in sorted(items):
            group = self.fault_group(item[0])
            places[item] = of_group[group], group
            of_group[group] += 1
        return sorted(places, key=places.get)

    def check_faults(self, faults: Faults) -> None:
        """Raise UnreadableImageError, with the report, past `max_unreadable`."""
        if faults.total > self.max_unreadable * max(len(self), faults.visits):
            raise UnreadableImageError(
                f'{self.fault_report(faults)} (the limit, max_unreadable of the data set, is '
                f'{self.max_unreadable:.2%})'
            )

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What a checkpoint of MMEngine may hold besides tensors, so that reading it runs nothing of it.

torch's reader makes only what is on a list. MMEngine's own list has `getattr`, which reaches from
what torch allows to any function at all; here the history of its logs is made of numbers alone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pickle import UnpicklingError

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

# What numpy pickles its arrays and scalars by; files name them by numpy's inner modules.
make_array, make_scalar = (value.__reduce__()[0] for value in (np.zeros(1), np.float64()))
NUMBERS_AND_TEXT = 'biufcSU'  # kinds of numpy's types that hold no objects


class StoredHistory(HistoryBuffer):
    """A HistoryBuffer as files have it, which becomes MMEngine's with the numbers of its state."""

    def __setstate__(self, state: dict) -> None:
        """MMEngine would also take functions from the state, and call them later."""
        self.__class__ = HistoryBuffer
        self.__init__(state['_log_history'], state['_count_history'], state['max_length'])


def stored_statistic(owner: object, name: str) -> str:
    """In place of `getattr`, with which files name a history's statistics: their names.

    Raises UnpicklingError for an attribute of anything else.
    """
    if owner is not StoredHistory:
        raise UnpicklingError(f'an attribute {name} of {owner}')
    return name


def plain_dtype(code: str, *flags: bool) -> np.dtype:
    """In place of `numpy.dtype`. Raises UnpicklingError for one whose values are objects."""
    dtype = np.dtype(code)
    if dtype.kind not in NUMBERS_AND_TEXT:
        raise UnpicklingError(f'an array of {dtype}')
    return dtype


def allowed_in_checkpoints() -> list[tuple[Callable, str]]:
    """What may be made, and the name that files have for it, those of older numpy included."""
    dtypes = {type(np.dtype(code)) for code in np.typecodes['All'] if code not in 'OV'}
    return [
        (StoredHistory, 'mmengine.logging.history_buffer.HistoryBuffer'),
        (stored_statistic, 'builtins.getattr'),
        (plain_dtype, 'numpy.dtype'),
        (np.ndarray, 'numpy.ndarray'),
        *((make_array, f'numpy.{core}.multiarray._reconstruct') for core in ('core', '_core')),
        *((make_scalar, f'numpy.{core}.multiarray.scalar') for core in ('core', '_core')),
        *((dtype, f'numpy.dtypes.{dtype.__name__}') for dtype in dtypes),
        (slice, 'builtins.slice'),
    ]


def only_allowed() -> AbstractContextManager:
    """The context in which torch.load with `weights_only` makes what is allowed here."""
    return torch.serialization.safe_globals(allowed_in_checkpoints())

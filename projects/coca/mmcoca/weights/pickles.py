# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What a checkpoint of MMEngine may hold besides tensors, so that reading it runs nothing of it.

torch's reader makes only what is on a list. MMEngine's own list has `getattr`, which reaches from
what torch allows to any function at all; here the history of its logs is made of numbers alone.
numpy believes what a file says of a type's size, or of a buffer's objects, and crashes by it; here
its types are made anew and its arrays filled by what its own files say.
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
BYTE_ORDERS = '<>'


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


class StoredDtype:
    """In place of `numpy.dtype`: what a file says of one, which must be what numpy says.

    Raises UnpicklingError for one whose values are objects, and for a state of another.
    """

    def __init__(self, code: str, *flags: bool) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in NUMBERS_AND_TEXT:
            raise UnpicklingError(f'an array of {self.dtype}')

    def __setstate__(self, state: tuple) -> None:
        """Take the byte order; the rest follows from the code."""
        for order in BYTE_ORDERS:
            dtype = self.dtype.newbyteorder(order)
            if dtype.__reduce__()[2] == state:
                self.dtype = dtype
                return
        raise UnpicklingError(f'a state of {self.dtype} that numpy does not write')


class StoredArray(np.ndarray):
    """An array as files have it: numpy's in all but its type, and saved as such."""

    def __new__(cls, *args, **kwargs) -> StoredArray:
        """Raises UnpicklingError: an array over a buffer could take its bytes for objects."""
        raise UnpicklingError('an array over a buffer')

    def __setstate__(self, state: tuple) -> None:
        """Take type and content. Raises UnpicklingError for another state than numpy writes."""
        version, shape, stored, is_fortran, content = state
        super().__setstate__((version, shape, dtype_of(stored), is_fortran, content))

    def __reduce_ex__(self, protocol: int) -> tuple:
        return np.asarray(self).__reduce_ex__(protocol)


def stored_array(kind: type, shape: tuple, code: bytes) -> StoredArray:
    """In place of the function by which numpy begins an array. Raises UnpicklingError for others.
    """
    if kind is not StoredArray or shape != (0, ) or code != b'b':
        raise UnpicklingError(f'an array that begins as {kind} {shape} {code}')
    return make_array(kind, shape, code)


def stored_scalar(stored: StoredDtype, content: bytes) -> np.generic:
    """In place of the function by which numpy makes a scalar."""
    return make_scalar(dtype_of(stored), content)


def dtype_of(stored: object) -> np.dtype:
    """The type itself. Raises UnpicklingError for what is none."""
    if not isinstance(stored, StoredDtype):
        raise UnpicklingError(f'an array of {stored}')
    return stored.dtype


def allowed_in_checkpoints() -> list[tuple[Callable, str]]:
    """What may be made, and the name that files have for it, those of older numpy included."""
    return [
        (StoredHistory, 'mmengine.logging.history_buffer.HistoryBuffer'),
        (stored_statistic, 'builtins.getattr'),
        (StoredDtype, 'numpy.dtype'),
        (StoredArray, 'numpy.ndarray'),
        *((stored_array, f'numpy.{core}.multiarray._reconstruct') for core in ('core', '_core')),
        *((stored_scalar, f'numpy.{core}.multiarray.scalar') for core in ('core', '_core')),
        (slice, 'builtins.slice'),
    ]


def only_allowed() -> AbstractContextManager:
    """The context in which torch.load with `weights_only` makes what is allowed here."""
    return torch.serialization.safe_globals(allowed_in_checkpoints())

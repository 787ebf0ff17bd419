# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Settings of this process that make work on a CPU faster; what the user has set himself stays.

Imports nothing of mmcoca, so that the benchmarks can give the same settings to other libraries.
"""

from __future__ import annotations

import ctypes
import os
import sys

# glibc's names for mallopt, from its malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def limit_spinning() -> None:
    """Let threads that wait spin only shortly; without effect once torch is loaded.

    With as many threads as cores, spinning would starve the dataloader and whatever else runs.
    """
    os.environ.setdefault('GOMP_SPINCOUNT', '10000')


def keep_freed_memory() -> None:
    """Let the C library keep the memory that is freed, where it is glibc.

    A step on a CPU allocates what the one before it freed, and each page that comes anew from the
    kernel is first filled with zeros.
    """
    if sys.platform != 'linux':
        return
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:  # another C library, as Alpine's
        return
    if 'MALLOC_MMAP_MAX_' not in os.environ:
        mallopt(M_MMAP_MAX, 0)
    if 'MALLOC_TRIM_THRESHOLD_' not in os.environ:
        mallopt(M_TRIM_THRESHOLD, -1)  # never

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Seeds that depend on where a training is, and the generators that take them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

# Of splitmix64 (Steele, Lea and Flood 2014), which makes independent seeds of successive numbers.
_STEP, _MIX = np.uint64(0x9E3779B97F4A7C15), (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def seeds_at(key: tuple[int, ...], positions: np.ndarray) -> np.ndarray:
    """A seed, uint64, of each position, independent of one another and of those of other keys."""
    start = np.random.SeedSequence(key).generate_state(1, np.uint64)
    mixed = start + (positions.astype(np.uint64) + np.uint64(1)) * _STEP
    for shift, factor in zip((30, 27), _MIX):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def permutation(size: int, *key: int) -> np.ndarray:
    """A permutation of 0 .. size - 1 by a key; the same in all versions of NumPy."""
    bits = np.random.PCG64(np.random.SeedSequence(key)).random_raw(size)
    return np.argsort(bits, kind='stable')


def seed_generators(seed: int) -> None:
    """Seed Python's, NumPy's and torch's generator of the CPU, from 64 bits."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it what is drawn depends on the seed alone; outside it nothing has changed."""
    states = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    seed_generators(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.default_generator.set_state(states[2])

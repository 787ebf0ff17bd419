# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Seeds that depend on where a training is, and the generators that take them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import torch

# Of splitmix64 (Steele, Lea and Flood 2014), which makes independent seeds of successive numbers.
_STEP, _MIX = np.uint64(0x9E3779B97F4A7C15), (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_WORD = 2**64 - 1
ROUNDS = 4  # after which a Feistel network is a random permutation (Luby and Rackoff 1988)


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


def permuted(place: int, size: int, *key: int) -> int:
    """What a permutation of 0 .. size - 1 by a key, another than `permutation`, has at a place.

    It costs the same whatever the size: a Feistel network permutes the numbers of so many bits, and
    one beyond the size is permuted again until it is none.
    """
    half = ((size - 1).bit_length() + 1) // 2
    while True:
        left, right = place >> half, place & ((1 << half) - 1)
        for round_key in _round_keys(key):
            mixed = (right ^ round_key) * _MIX[0] & _WORD
            mixed = (mixed ^ (mixed >> 32)) * _MIX[1] & _WORD
            left, right = right, left ^ (mixed >> (64 - half))
        place = left << half | right
        if place < size:
            return place


@lru_cache(maxsize=1024)
def _round_keys(key: tuple[int, ...]) -> list[int]:
    return np.random.SeedSequence(key).generate_state(ROUNDS, np.uint64).tolist()


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

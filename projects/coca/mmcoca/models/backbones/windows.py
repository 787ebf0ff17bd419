# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Attention within windows of an image, for images with many patches."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..layers import on_device


class Windows(NamedTuple):
    """A map of N patches cut into M windows of S patches each.

    Windows at the lower and right border are moved inside, so that all are full and none has
    padding. Where two overlap, a patch is read back from the later one.

    Attributes:
        patches: (M*S,), the patch at each place of the windows.
        places: (N,), the place that each patch is read back from.
        num_patches: S.
    """

    patches: Tensor
    places: Tensor
    num_patches: int

    @classmethod
    def of(cls, height: int, width: int, size: int, device: torch.device) -> Windows:
        """Those of a map of height times width patches, `size` patches a side at most."""
        patches, places, num_patches = _windows(height, width, size)
        return cls(on_device(patches, device), on_device(places, device), num_patches)

    def split(self, tokens: Tensor) -> Tensor:
        """Tokens (B,N,W) -> those of each window (B*M,S,W)."""
        return tokens[:, self.patches].reshape(-1, self.num_patches, tokens.shape[-1])

    def join(self, tokens: Tensor, batch_size: int) -> Tensor:
        """Tokens of each window (B*M,S,W) -> (B,N,W)."""
        return tokens.reshape(batch_size, -1, tokens.shape[-1])[:, self.places]


@lru_cache
def _windows(height: int, width: int, size: int) -> tuple[np.ndarray, np.ndarray, int]:
    """The attributes."""
    rows, columns = _window_sides(height, size), _window_sides(width, size)
    patches = (rows[:, None, :, None] * width + columns[None, :, None, :]).reshape(-1)
    places = np.empty(height * width, dtype=np.int64)
    places[patches] = np.arange(len(patches))
    return patches, places, rows.shape[1] * columns.shape[1]


def _window_sides(length: int, size: int) -> np.ndarray:
    """Rows (or columns) of each window along one side."""
    size = min(size, length)
    starts = np.minimum(np.arange(0, length, size), length - size)
    return starts[:, None] + np.arange(size)

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Texts of different lengths without their padding."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Packing(NamedTuple):
    """Where the T tokens of texts stand in a padded batch (B,L).

    Norms, projections and MLPs treat each token alone and so work on packed (T,D) states, without
    a product on padding; only attention needs the texts apart. All indices are made from lengths
    that the host knows: a device is not asked how many tokens there are.

    lengths (B,); read_from and write_to (T,) are places in the flattened padded batch: the same,
    but for tokens that only fill T up to a given number, which are written past the batch's end.
    """

    lengths: Tensor
    read_from: Tensor
    write_to: Tensor
    max_length: int

    @classmethod
    def of(
        cls,
        lengths: np.ndarray,
        max_length: int | None = None,
        num_tokens: int | None = None,
        device: torch.device | str = 'cpu',
    ) -> Packing:
        """For texts of these lengths (B,).

        Args:
            max_length: L; the longest text's if None.
            num_tokens: T, if it is to be more than the sum of the lengths.
        """
        if max_length is None:
            max_length = int(lengths.max())
        places = np.flatnonzero(np.arange(max_length) < lengths[:, None])
        read_from = write_to = on_device(places, device)
        num_added = (num_tokens or 0) - len(places)
        if num_added > 0:
            read_from = on_device(np.pad(places, (0, num_added)), device)
            past_the_end = len(lengths) * max_length
            places = np.pad(places, (0, num_added), constant_values=past_the_end)
            write_to = on_device(places, device)
        return cls(on_device(lengths, device), read_from, write_to, max_length)

    def pack(self, x: Tensor) -> Tensor:
        """Padded (B,L,D) -> packed (T,D)."""
        return x.flatten(0, 1).index_select(0, self.read_from)

    def pad(self, x: Tensor, value: float = 0) -> Tensor:
        """Packed (T,D) -> padded (B,L,D), with the value where no token is."""
        batch_size = self.lengths.shape[0]
        padded = x.new_full((batch_size * self.max_length + 1, x.shape[-1]), value)
        padded = padded.index_copy(0, self.write_to, x)[:-1]
        return padded.unflatten(0, (batch_size, self.max_length))


def on_device(array: np.ndarray, device: torch.device | str) -> Tensor:
    """An array as a tensor on a device, which the host does not wait for."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)

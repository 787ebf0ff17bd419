# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Texts of different lengths without their padding."""

from __future__ import annotations

import torch
from torch import Tensor


class Packing:
    """Where the T tokens of texts with these lengths (B,) stand in a padded batch (B,L).

    Norms, projections and MLPs treat each token alone and so work on packed (T,D) states, without
    a product on padding; only attention needs the texts apart.
    """

    def __init__(self, lengths: Tensor, max_length: int) -> None:
        self.lengths = lengths
        self.padded_shape = (len(lengths), max_length)
        is_token = torch.arange(max_length, device=lengths.device) < lengths[:, None]
        self.positions = is_token.flatten().nonzero()[:, 0]
        self.ends = lengths.cumsum(dim=0) - 1

    def pack(self, x: Tensor) -> Tensor:
        """Padded (B,L,D) -> packed (T,D)."""
        return x.flatten(0, 1).index_select(0, self.positions)

    def pad(self, x: Tensor) -> Tensor:
        """Packed (T,D) -> padded (B,L,D), zeros where no token is."""
        batch_size, max_length = self.padded_shape
        padded = x.new_zeros(batch_size * max_length, x.shape[-1])
        return padded.index_copy(0, self.positions, x).unflatten(0, self.padded_shape)

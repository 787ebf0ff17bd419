# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Reading of the samples of one shard."""

from __future__ import annotations

import os
from typing import BinaryIO

import numpy as np

from .tar_index import BLOCK, PARTS


class OpenShard:
    """A shard's file with the places of its samples.

    Args:
        name: As the user has named it.
        file: Its content; closed with the last reference to it.
        samples: Of its index.
    """

    def __init__(self, name: str, file: BinaryIO, samples: np.ndarray) -> None:
        self.name = name
        self.num_samples = len(samples)
        self._rows = samples.view(np.int64).reshape(len(samples), -1)  # quicker to read from
        self._file = file

    def image(self, number: int) -> tuple[str, bytes]:
        """Name and content of a sample's image."""
        place, size = self._place_of(number, 'image')
        data = self._read(place - BLOCK, size + BLOCK)  # from its header on
        return data[:100].partition(b'\0')[0].decode(errors='replace'), data[BLOCK:]

    def text(self, number: int, part: str) -> bytes | None:
        """The content of a sample's 'txt' or 'json', or None."""
        place, size = self._place_of(number, part)
        return None if size < 0 else self._read(place, size)

    def _place_of(self, number: int, part: str) -> list[int]:
        column = 2 * PARTS.index(part)
        return self._rows[number, column:column + 2].tolist()

    def _read(self, place: int, size: int) -> bytes:
        """Bytes of the file, whatever other processes read of it meanwhile."""
        return os.pread(self._file.fileno(), size, place)

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Where the samples of a tar shard lie, found once and kept beside the shard."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.logging import print_log

# Places and sizes of a sample's members, in bytes; -1 where there is none.
PARTS = ('image', 'txt', 'json')
SAMPLE = np.dtype([(f'{part}_{what}', np.int64) for part in PARTS for what in ('place', 'size')])
BLOCK = 512  # bytes, of tar
# An index serves on all machines, also those that can read fewer of these.
IMAGE_ENDINGS = frozenset(
    'avif bmp dib gif ico jfif jp2 jpe jpeg jpg pgm png pnm ppm svg tif tiff webp'.split()
)
# What NumPy and zipfile raise for a file that is not whole.
DAMAGED = (
    OSError, ValueError, KeyError, TypeError, EOFError, NotImplementedError, zipfile.BadZipFile,
    zlib.error
)


class ShardIndex(NamedTuple):
    """The samples of a shard, and what is wrong with it as a whole.

    Attributes:
        samples: An array of the type SAMPLE.
        faults: Kind of each, and where in the shard.
        state: Size in bytes of the tar that was read, and when that was written, in ns.
    """

    samples: np.ndarray
    faults: list[tuple[str, str]]
    state: tuple[int, int]


def named_faults(shard: str, faults: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The faults of an index, with the shard's name as the user knows it."""
    separators = {'no image': '/', 'broken shard': ', '}
    return [(kind, shard + separators[kind] + place) for kind, place in faults]


def index_path(shard: Path) -> Path:
    """Where the index of a shard lies."""
    return shard.with_name(f'{shard.name}.index.npz')


def state_of(shard: Path) -> tuple[int, int]:
    """What changes when a shard does."""
    stat = shard.stat()
    return stat.st_size, stat.st_mtime_ns


def read_index(shard: Path, other_folder: Path | None = None) -> ShardIndex:
    """The index beside a shard; made, and kept there, where there is none or the shard has changed.

    Args:
        other_folder: Where it is kept if the shard's folder does not let it.

    Raises OSError where the shard cannot be read.
    """
    paths = [index_path(shard)]
    if other_folder is not None:
        place = hashlib.sha256(os.fsencode(shard.absolute())).hexdigest()[:16]
        paths.append(other_folder / f'{place}-{paths[0].name}')
    state = state_of(shard)
    for path in paths:
        index = load_index(path)
        if index is not None and index.state == state:
            return index
    index = make_index(shard)
    if not len(index.samples):  # whatever it is, nothing is put beside it
        return index
    for path in paths:
        try:
            write_index(index, path)
            break
        except OSError as error:
            print_log(f'{path} cannot be written: {error.strerror}', 'current', logging.WARNING)
    return index


def load_index(path: Path) -> ShardIndex | None:
    """An index from its file, which executes no code; None where there is none that is whole."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            samples, faults = arrays['samples'], arrays['faults'].tolist()
            size, written = map(int, arrays['state'])
    except DAMAGED:
        return None
    if samples.dtype != SAMPLE or samples.ndim != 1:
        return None
    for part in PARTS:
        place, of_part = samples[f'{part}_place'], samples[f'{part}_size']
        if ((of_part >= 0) & ((place < BLOCK) | (place + of_part > size))).any():
            return None
    return ShardIndex(samples, [tuple(fault) for fault in faults], (size, written))


def write_index(index: ShardIndex, path: Path) -> None:
    """Write the file of an index, whole, beside other processes that do the same."""
    content = io.BytesIO()
    faults = np.array(index.faults, np.str_).reshape(-1, 2)
    np.savez(content, samples=index.samples, faults=faults, state=np.array(index.state))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        partial.write_bytes(content.getvalue())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def make_index(shard: Path) -> ShardIndex:
    """Look through the headers of a shard."""
    rows, faults = [], []
    state = state_of(shard)
    try:
        for key, row in samples_of(shard, state[0]):
            if row['image_size'] < 0:
                faults.append(('no image', key))
            else:
                rows.append(tuple(row.values()))
    except (tarfile.TarError, ValueError, OverflowError) as error:
        faults.append(('broken shard', f'after {len(rows)} samples: {error}'))
    return ShardIndex(np.array(rows, SAMPLE), faults, state)


def samples_of(shard: Path, size: int) -> Iterator[tuple[str, dict[str, int]]]:
    """Key and row of each sample of a shard. Raises TarError where the shard is cut or damaged.

    Args:
        size: Of the shard, in bytes.
    """
    key, row = None, {}
    with tarfile.open(shard, 'r:') as archive:
        for member in archive:
            of_sample, ending = split_name(member.name)
            part = 'image' if ending in IMAGE_ENDINGS else ending
            is_part = member.isreg() and part in PARTS
            if is_part and of_sample != key:
                if key is not None:
                    yield key, row
                key, row = of_sample, dict.fromkeys(SAMPLE.names, -1)
            # Behind a negative size tarfile would go back.
            if member.size < 0 or member.offset_data + member.size > size:
                raise tarfile.ReadError(f'{member.name} is cut short or damaged')
            if not is_part:
                continue
            row[f'{part}_place'], row[f'{part}_size'] = member.offset_data, member.size
        if key is not None:
            yield key, row
        # tarfile takes whatever is no header for the end.
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(BLOCK) != bytes(BLOCK):
            raise tarfile.ReadError(f'damaged or cut short at byte {archive.offset}')
        while content := archive.fileobj.read(2**20):
            if any(content):
                raise tarfile.ReadError(f'another archive behind the end at byte {archive.offset}')


def split_name(name: str) -> tuple[str, str]:
    """A member's name -> key of its sample and ending, as webdataset has them: parted at the first
    dot of the file's name.
    """
    folder, slash, file = name.rpartition('/')
    stem, _, ending = file.partition('.')
    return folder + slash + stem, ending.lower()

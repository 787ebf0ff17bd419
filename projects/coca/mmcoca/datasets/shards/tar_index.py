# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Where the samples of a tar shard lie, found once and kept beside the shard."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.logging import print_log

from ..transforms.load_image import image_endings

# Places and sizes of a sample's members, in bytes; -1 where there is none.
PARTS = ('image', 'txt', 'json')
SAMPLE = np.dtype([(f'{part}_{what}', np.int64) for part in PARTS for what in ('place', 'size')])
BLOCK = 512  # bytes, of tar


class ShardIndex(NamedTuple):
    """The samples of a shard, and what is wrong with it as a whole.

    Attributes:
        samples: An array of the type SAMPLE.
        faults: Kind and place of each.
        shard_size: Of the tar, in bytes, when it was read.
    """

    samples: np.ndarray
    faults: list[tuple[str, str]]
    shard_size: int


def index_path(shard: Path) -> Path:
    """Where the index of a shard lies."""
    return shard.with_name(f'{shard.name}.index.npz')


def read_index(shard: Path) -> ShardIndex:
    """The index beside a shard; made, and written if the folder lets it, where it is not there or
    the shard's size has changed.

    Raises OSError where the shard cannot be read.
    """
    path = index_path(shard)
    index = load_index(path)
    if index is None or index.shard_size != shard.stat().st_size:
        index = make_index(shard)
        try:
            write_index(index, path)
        except OSError as error:
            print_log(f'{path} cannot be kept ({error.strerror}): it is made each time', 'current')
    return index


def load_index(path: Path) -> ShardIndex | None:
    """An index from its file, which executes no code; None where there is none that is whole."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            samples, faults = arrays['samples'], arrays['faults'].tolist()
            size = int(arrays['shard_size'])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
    if samples.dtype != SAMPLE or samples.ndim != 1:
        return None
    return ShardIndex(samples, [tuple(fault) for fault in faults], size)


def write_index(index: ShardIndex, path: Path) -> None:
    """Write the file of an index, whole, beside other processes that do the same."""
    content = io.BytesIO()
    faults = np.array(index.faults, np.str_).reshape(-1, 2)
    np.savez(content, samples=index.samples, faults=faults, shard_size=index.shard_size)
    partial = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        partial.write_bytes(content.getvalue())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def make_index(shard: Path) -> ShardIndex:
    """Look through the headers of a shard."""
    rows, faults = [], []
    try:
        for key, row in samples_of(shard):
            if row['image_size'] < 0:
                faults.append(('no image', f'{shard.name}/{key}'))
            else:
                rows.append(tuple(row.values()))
    except tarfile.TarError as error:
        faults.append(('broken shard', f'{shard.name}, after {len(rows)} samples: {error}'))
    return ShardIndex(np.array(rows, SAMPLE), faults, shard.stat().st_size)


def samples_of(shard: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """Key and row of each sample of a shard. Raises TarError where the shard is cut or damaged."""
    size = shard.stat().st_size
    key, row = None, {}
    with tarfile.open(shard, 'r:') as archive:
        for member in archive:
            of_sample, ending = split_name(member.name)
            part = 'image' if f'.{ending}' in image_endings() else ending
            if not member.isreg() or part not in PARTS:
                continue
            if of_sample != key:
                if key is not None:
                    yield key, row
                key, row = of_sample, dict.fromkeys(SAMPLE.names, -1)
            if member.offset_data + member.size > size:
                raise tarfile.ReadError(f'{member.name} is cut short')
            row[f'{part}_place'], row[f'{part}_size'] = member.offset_data, member.size
        if key is not None:
            yield key, row
        # tarfile takes whatever is no header for the end.
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(BLOCK) != bytes(BLOCK):
            raise tarfile.ReadError(f'damaged or cut short at byte {archive.offset}')


def split_name(name: str) -> tuple[str, str]:
    """A member's name -> key of its sample and ending, as webdataset has them: parted at the first
    dot of the file's name.
    """
    folder, slash, file = name.rpartition('/')
    stem, _, ending = file.partition('.')
    return folder + slash + stem, ending.lower()

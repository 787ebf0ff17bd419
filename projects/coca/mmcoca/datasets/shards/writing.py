# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Writing of shards: the same samples make the same bytes."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from .tar_index import index_path, make_index, write_index


class ShardSample(NamedTuple):
    """An image with what is known of it.

    Attributes:
        key: Names the sample within its shard; without a dot.
        image: Content of an image file, whose ending is `ending`, such as '.png'.
        record: Becomes key.json: the captions, and whatever else is worth keeping.
    """

    key: str
    image: bytes
    ending: str
    record: dict


def write_shard(path: Path, samples: Iterable[ShardSample]) -> int:
    """Write a tar of samples, and its index, whole or not at all; returns how many there are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        with tarfile.open(partial, 'w', format=tarfile.PAX_FORMAT) as archive:
            for sample in samples:
                record = json.dumps(sample.record, ensure_ascii=False)
                add(archive, sample.key + sample.ending, sample.image)
                add(archive, f'{sample.key}.json', record.encode())
        index = make_index(partial)
        write_index(index, index_path(path))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return len(index.samples)


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file, of nobody and of no date."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))

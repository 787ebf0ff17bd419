# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Files that are whole whenever they are there, even if the process that writes them is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.fileio import LocalBackend


def write_whole(data: bytes, path: str | os.PathLike) -> None:
    """Write a file under another name, and give it its own when all of it is on the disk.

    Removes what killed processes have left in its folder; makes the folder where there is none.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_over in path.parent.glob('.*.partial'):
        left_over.unlink(missing_ok=True)
    partial = path.with_name(f'.{path.name}.partial')
    try:
        with open(partial, 'wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)  # as where the disk is full


@contextmanager
def whole_files() -> Iterator[None]:
    """Within it MMEngine writes local files by `write_whole`.

    Its runners, strategies and hooks have no other place in common at which they write checkpoints.
    """
    put = LocalBackend.put
    LocalBackend.put = lambda self, obj, filepath: write_whole(obj, filepath)
    try:
        yield
    finally:
        LocalBackend.put = put

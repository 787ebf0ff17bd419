# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Copies of shards that lie on a web server."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

from .shard_names import is_url
from .tar_index import ShardIndex, index_path, load_index, read_index

COPY = re.compile(r'\.?[0-9a-f]{16}-.*(?<!\.npz)(?<!\.lock)')  # with those that are on their way
TIMEOUT = 60  # seconds without a byte
TRIES = 20  # to read a copy before another process removes it
GIB = 2**30


class ShardCache:
    """Copies of remote shards in a folder that stays below a size: the longest unused ones go.

    Several processes may share it. A copy that goes takes room until the last process that reads it
    has closed it.

    Args:
        folder: Made where it is not there; what else lies in it is left alone.
        max_bytes: Of all copies; one shard is kept whatever its size.
    """

    def __init__(self, folder: Path, max_bytes: int = 50 * GIB) -> None:
        self.folder = Path(folder)
        self.max_bytes = max_bytes

    def path_of(self, shard: str) -> Path:
        """Where the content of a shard lies, downloaded where it has to be.

        Raises OSError, naming the address, where it cannot be had.
        """
        if not is_url(shard):
            return Path(shard)
        self.open(shard).close()
        return self._copy_of(shard)

    def open(self, shard: str) -> BinaryIO:
        """The content of a shard, to read from also when another process removes the copy.

        Raises OSError as `path_of` does.
        """
        if not is_url(shard):
            return open(shard, 'rb')
        path = self._copy_of(shard)
        with self._lock(path.name):
            try:
                file = open(path, 'rb')
            except FileNotFoundError:
                return self._download(shard, path)
            # The copy is in use. By its descriptor: it may have gone.
            os.utime(file.fileno(), ns=(time.time_ns(), os.fstat(file.fileno()).st_mtime_ns))
            return file

    def is_here(self, shard: str) -> bool:
        """Whether a shard can be read without a download."""
        return not is_url(shard) or self._copy_of(shard).is_file()

    def index_of(self, shard: str) -> ShardIndex:
        """The index of a shard; that of a copy is kept longer than the copy.

        Raises OSError as `path_of` does.
        """
        for is_last in (*[False] * (TRIES - 1), True):
            if not self.is_here(shard):
                kept = load_index(index_path(self._copy_of(shard)))
                if kept is not None:
                    return kept
            try:
                return read_index(self.path_of(shard), self.folder)
            except FileNotFoundError:  # another process has just removed the copy
                if is_last or not is_url(shard):
                    raise

    def _copy_of(self, url: str) -> Path:
        """Where a remote shard's copy lies, or will lie."""
        name = hashlib.sha256(url.encode()).hexdigest()[:16]
        return self.folder / f'{name}-{Path(url.partition("?")[0]).name}'

    def _download(self, url: str, path: Path) -> BinaryIO:
        """Get a shard, whole -> its copy."""
        partial = path.with_name(f'.{path.name}')
        with ExitStack() as on_error:
            try:
                file = on_error.enter_context(open(partial, 'w+b'))
                with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
                    expected = int(answer.headers.get('Content-Length') or 0)
                    self._make_room(expected, file.fileno())
                    shutil.copyfileobj(answer, file, 2**20)
                file.flush()
                size = file.tell()
                if expected and size != expected:
                    raise OSError(f'{size} of {expected} bytes came')
                if not expected:
                    self._make_room(0)
                os.replace(partial, path)
            except (OSError, ValueError, HTTPException) as error:
                raise OSError(f'shard {url} cannot be had: {error}') from error
            finally:
                partial.unlink(missing_ok=True)
            on_error.pop_all()
        return file

    def _make_room(self, size: int, file: int | None = None) -> None:
        """Remove the longest unused copies, so that one of this size fits; it takes its room at
        once, so that others see it.
        """
        with self._lock('room'):
            copies = []
            for path in self.folder.iterdir():
                if COPY.fullmatch(path.name) and path.is_file():
                    with suppress(FileNotFoundError):
                        stat = path.stat()
                        copies.append((stat.st_atime_ns, stat.st_size, path))
            total = sum(of_copy for _, of_copy, _ in copies)
            for _, of_copy, path in sorted(copies):
                if total + size <= self.max_bytes:
                    break
                if not path.name.startswith('.'):  # on its way
                    path.unlink(missing_ok=True)  # its index stays: it is small
                    total -= of_copy
            if file is not None:
                os.truncate(file, size)

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """One process at a time within it, for a copy or for the room of all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / f'.{name}.lock', 'w') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Which files a set of shards has, and copies of those that lie on a web server."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import re
import shutil
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ..annotation_files import AnnotationError
from .tar_index import ShardIndex, index_path, load_index, read_index

BRACES = re.compile(r'\{([^{}]*)\}')
RANGE = re.compile(r'(\d+)\.\.(\d+)')
TIMEOUT = 60  # seconds without a byte
GIB = 2**30


def is_url(shard: str) -> bool:
    """Whether a shard lies on a web server."""
    return shard.startswith(('http://', 'https://'))


def expand(shards: str | Sequence[str]) -> list[str]:
    """Paths and URLs of shards, with braces and wildcards -> each of them, in order.

    'a/{000..012}.tar' and 'a/{x,y}.tar' are as in a shell; 'a/*.tar', and a folder 'a', are the
    tars that are there.

    Raises AnnotationError where there are none, or one comes twice.
    """
    patterns = [shards] if isinstance(shards, (str, os.PathLike)) else list(shards)
    found = []
    for pattern in map(os.fspath, patterns):
        for path in without_braces(pattern):
            if is_url(path):
                found.append(path)
                continue
            if '://' in path:
                raise AnnotationError(f'shards {path}: use a local path, http:// or https://')
            if os.path.isdir(path):
                path = os.path.join(glob.escape(path), '*.tar')
            matches = sorted(glob.glob(path)) if glob.has_magic(path) else [path]
            if not matches:
                raise AnnotationError(f'shards {path}: there is no such file')
            found += matches
    if not found:
        raise AnnotationError('shards: none are named')
    for path in found:
        if not is_url(path) and not os.path.isfile(path):
            raise AnnotationError(f'shard {path} does not exist')
    for path, count in Counter(found).items():
        if count > 1:
            raise AnnotationError(f'shard {path} is named {count} times')
    return found


def without_braces(pattern: str) -> Iterator[str]:
    """What a pattern with braces stands for, in order."""
    braces = BRACES.search(pattern)
    if braces is None:
        yield pattern
        return
    before, after = pattern[:braces.start()], pattern[braces.end():]
    ends = RANGE.fullmatch(braces[1])
    if ends:
        width = len(ends[1]) if ends[1].startswith('0') else 0
        parts = [f'{n:0{width}d}' for n in range(int(ends[1]), int(ends[2]) + 1)]
    else:
        parts = braces[1].split(',')
    for part in parts:
        yield from without_braces(before + part + after)


class ShardCache:
    """Copies of remote shards in a folder that stays below a size: the longest unused ones go.

    Several processes may share it.

    Args:
        folder: Made where it is not there.
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
        path = self._copy_of(shard)
        with self._lock(path):
            if path.is_file():
                os.utime(path)  # it is in use
            else:
                self._download(shard, path)
        return path

    def index_of(self, shard: str) -> ShardIndex:
        """The index of a shard; that of a copy is kept longer than the copy.

        Raises OSError as `path_of` does.
        """
        if is_url(shard):
            kept = load_index(index_path(self._copy_of(shard)))
            if kept is not None:
                return kept
        return read_index(self.path_of(shard))

    def _copy_of(self, url: str) -> Path:
        """Where a remote shard's copy lies, or will lie."""
        name = hashlib.sha256(url.encode()).hexdigest()[:16]
        return self.folder / f'{name}-{Path(url.partition("?")[0]).name}'

    def _download(self, url: str, path: Path) -> None:
        """Get a shard, whole."""
        partial = path.with_name(f'.{path.name}.partial')
        try:
            with urllib.request.urlopen(
                url, timeout=TIMEOUT
            ) as answer, open(partial, 'wb') as file:
                expected = answer.headers.get('Content-Length')
                self._make_room(int(expected or 0))
                shutil.copyfileobj(answer, file, 2**20)
            size = partial.stat().st_size
            if expected is not None and size != int(expected):
                raise OSError(f'{size} of {expected} bytes came')
            os.replace(partial, path)
        except (OSError, ValueError) as error:
            raise OSError(f'shard {url} cannot be had: {error}') from error
        finally:
            partial.unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        """Remove the longest unused copies, so that one of this size fits."""
        copies = []
        for path in self.folder.iterdir():
            if path.name.startswith('.') or path.suffix == '.npz':  # a lock, an index, in progress
                continue
            with suppress(FileNotFoundError):  # another process was faster
                copies.append((path.stat().st_mtime, path.stat().st_size, path))
        total = sum(of_copy for _, of_copy, _ in copies)
        for _, of_copy, path in sorted(copies):
            if total + size <= self.max_bytes:
                return
            path.unlink(missing_ok=True)  # the index stays: it is small
            total -= of_copy

    @contextmanager
    def _lock(self, path: Path) -> Iterator[None]:
        """One process at a time within it, for one copy."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / f'.{path.name}.lock', 'w') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

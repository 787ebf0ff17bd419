# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Which files a set of shards has."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from ..annotation_files import AnnotationError

BRACES = re.compile(r'\{([^{}]*)\}')
RANGE = re.compile(r'(\d+)\.\.(\d+)')


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
                if not path.partition('?')[0].endswith('.tar') or '*' in path:
                    raise AnnotationError(
                        f'shards {path}: name each .tar of a web server, by a list or by braces as '
                        'in {00000..00417}.tar; folders and wildcards are for local ones'
                    )
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
    for path, count in Counter(path if is_url(path) else os.path.realpath(path)
                               for path in found).items():
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
        first, last = int(ends[1]), int(ends[2])
        step = 1 if first <= last else -1
        parts = [f'{n:0{width}d}' for n in range(first, last + step, step)]
    else:
        parts = braces[1].split(',')
    for part in parts:
        yield from without_braces(before + part + after)


def short_names(shards: Sequence[str]) -> list[str]:
    """Paths and URLs, all different -> their file names, with folders where several have the same.

    As few folders as tell those apart.
    """
    parts = [PurePath(shard).parts for shard in shards]
    lengths = [1] * len(shards)
    while True:
        names = [part[-length:] for part, length in zip(parts, lengths)]
        counts = Counter(names)
        longer = [
            min(length + (counts[name] > 1), len(part))
            for part, length, name in zip(parts, lengths, names)
        ]
        if longer == lengths:
            return [str(PurePath(*name)) for name in names]
        lengths = longer

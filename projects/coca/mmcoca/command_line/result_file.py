# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Where the tools write their tables."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def result_file(path: str | None) -> Iterator[TextIO]:
    """The standard output, or a file that appears when all is written."""
    if path is None:
        yield sys.stdout
        return
    partial = Path(f'{path}.partial')
    try:
        with open(partial, 'w', newline='', encoding='utf-8') as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)  # as after an interruption

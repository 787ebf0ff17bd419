# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Folders of data that are whole whenever they are there."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path


class ConverterError(Exception):
    """A problem that the user can solve; its message is one line."""


@contextlib.contextmanager
def partial_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``out`` that becomes ``out`` at the end, or goes on failure."""
    partial = out.with_name(out.name + '.partial')
    if partial.exists():
        shutil.rmtree(partial)
    new_parents = [parent for parent in partial.parents if not parent.exists()]
    try:
        partial.mkdir(parents=True)
        yield partial
        if out.exists():
            out.rmdir()  # the caller has seen that it is empty
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        for parent in new_parents:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise


def write_json(path: Path, content: dict, indent: int | None = None) -> None:
    """Write JSON, UTF-8 as it is; makes the folder."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=indent) + '\n', encoding='utf-8')


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

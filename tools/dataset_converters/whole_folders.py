# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Folders of data that are whole whenever they are there."""

import contextlib
import hashlib
import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

REMEDY = 'delete it or choose another --out'


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


def read_manifest(out: Path, dataset: str) -> dict | None:
    """The manifest of a folder that a converter made; None where there is nothing yet.

    Raises ConverterError where there is anything else, which the user may want to keep.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        manifest = json.loads((out / 'manifest.json').read_text(encoding='utf-8'))
        if manifest['dataset'] == dataset and isinstance(manifest['sha256'], dict):
            return manifest
    except (OSError, ValueError, TypeError, KeyError):
        pass
    raise ConverterError(f'{out} exists and is no {dataset}: choose another --out')


def is_made_by(folder: Path, dataset: str) -> bool:
    """Whether a folder holds what a converter made."""
    try:
        return read_manifest(folder, dataset) is not None
    except ConverterError:
        return False


def check_files(out: Path, manifest: dict) -> None:
    """Raise ConverterError for a file of the manifest that is missing or changed."""
    for name, expected in manifest['sha256'].items():
        if not (out / name).is_file() or sha256(out / name) != expected:
            raise ConverterError(f'{name} in {out} is missing or changed: {REMEDY}')


def exit_status(convert: Callable[[], None]) -> int:
    """Convert -> the exit status, what the user can solve said in one line."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # kill cleans up as Ctrl-C does
    try:
        convert()
    except (ConverterError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('interrupted: nothing was kept', file=sys.stderr)
        return 130
    return 0


def write_json(path: Path, content: dict, indent: int | None = None) -> None:
    """Write JSON, UTF-8 as it is; makes the folder."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=indent) + '\n', encoding='utf-8')


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What a person sees while a tool goes through many images."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def show_progress(steps: Iterable[tuple[int, list[Path]]], total: int,
                  description: str) -> list[Path]:
    """Draw a bar over steps (how many images are done, which could not be read).

    Returns all that could not be read; why, as `load_images` logs it, appears above the bar.
    """
    unreadable = []
    console = Console(stderr=True)
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=console)
    with warnings_above(console), bar as progress:
        task = progress.add_task(description, total=total)
        for done, failed in steps:
            unreadable += failed
            progress.advance(task, done)
    return unreadable


@contextmanager
def warnings_above(console: Console) -> Iterator[None]:
    """Print what mmcoca logs meanwhile, a line each."""
    handler = logging.Handler()
    handler.emit = lambda record: console.print(
        record.getMessage(), markup=False, highlight=False, soft_wrap=True
    )
    logger = logging.getLogger('mmcoca')
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def exit_with(unreadable: list[Path], total: int) -> None:
    """Exit status 3 if some of the images could not be read."""
    if unreadable:
        print(f'{len(unreadable)} of {total} images could not be read', file=sys.stderr)
        sys.exit(3)

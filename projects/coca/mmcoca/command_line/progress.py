# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What a person sees while a tool goes through many images."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def show_progress(steps: Iterable[tuple[int, list[Path]]], total: int,
                  description: str) -> list[Path]:
    """Draw a bar over steps (how many images are done, which could not be read).

    Names each unreadable image as it comes, on stderr; returns all of them.
    """
    unreadable = []
    console = Console(stderr=True)
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task(description, total=total)
        for done, failed in steps:
            for path in failed:
                console.print(f'cannot read {path}, skipped', markup=False, highlight=False)
            unreadable += failed
            progress.advance(task, done)
    return unreadable


def exit_with(unreadable: list[Path], total: int) -> None:
    """Exit status 3 if some of the images could not be read."""
    if unreadable:
        print(f'{len(unreadable)} of {total} images could not be read', file=sys.stderr)
        sys.exit(3)

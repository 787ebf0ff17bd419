# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Whether an error arose in code of the user's own, whose traceback he then needs."""

from __future__ import annotations

import os
import site
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

PACKAGE = Path(__file__).parents[1]


def folders_of_libraries() -> tuple[str, ...]:
    """Where the code lies that is not the user's: Python's, what is installed, ours; each with a
    separator at its end, so that what a path begins with is the folder and not another's name.
    """
    paths = sysconfig.get_paths()
    folders = (
        *(paths[name] for name in ('stdlib', 'platstdlib', 'purelib', 'platlib')),
        site.getusersitepackages(),
        str(PACKAGE),
        str(PACKAGE.parents[2] / 'tools'),
    )
    return tuple(os.path.join(folder, '') for folder in folders)


def errors_in(error: BaseException) -> Iterator[BaseException]:
    """An error and those in whose handling it was raised."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def is_own(frame: FrameType) -> bool:
    """Whether a frame is of the user's code; a config, which MMEngine executes, is none."""
    filename = frame.f_code.co_filename
    return (
        '__name__' in frame.f_globals and not filename.startswith('<')
        and not filename.startswith(folders_of_libraries())
    )


def arose_in_own_code(error: BaseException) -> bool:
    """Whether the user's code raised an error, or called what raised it."""
    return any(
        is_own(frame)
        for part in errors_in(error)
        for frame, _ in traceback.walk_tb(part.__traceback__)
    )


def line_of_config(error: BaseException) -> str:
    """'FILE line N: ' of the config in which an error arose, or nothing."""
    place = ''
    for frame, line in traceback.walk_tb(error.__traceback__):
        if '__name__' not in frame.f_globals:
            place = f'{frame.f_code.co_filename} line {line}: '
    return place

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Text files with a name, a prompt or an answer a line."""

from __future__ import annotations

from pathlib import Path

from mmcoca.errors import SettingError


def lines_of(path: str) -> list[str]:
    """The lines of a text file that are not empty. Raises SettingError if it is not UTF-8."""
    try:
        lines = Path(path).read_text('utf-8-sig').split('\n')
    except UnicodeDecodeError as error:
        raise SettingError(f'{path}: not UTF-8 text (byte {error.start})') from error
    return [line.strip() for line in lines if line.strip()]

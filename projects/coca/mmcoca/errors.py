# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Mistakes of a user, which the command lines print as one line."""

from __future__ import annotations

import os


class UserError(Exception):
    """A mistake of the person at the command line, told in one line."""


class MissingFileError(UserError, FileNotFoundError):
    """A file or folder that the user named is not there."""

    @classmethod
    def of(cls, kind: str, path: str | os.PathLike) -> MissingFileError:
        """That a file of some kind does not exist, and where a relative path was looked for."""
        place = '' if os.path.isabs(path) else f' (looked for in {os.getcwd()})'
        return cls(f'{kind} {path} does not exist{place}')


class SettingError(ValueError):
    """A setting does not fit the data or another one: the message says which, and what to do.

    For mistakes that show only while a model runs.
    """


class NotFiniteError(SettingError):
    """Losses or weights of a training have become NaN or infinite."""


def is_positive(value: object) -> bool:
    """Whether a setting is a whole number above 0."""
    return type(value) is int and value > 0


def first_line(error: BaseException) -> str:
    """The first line of what an error says; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Mistakes of a user that show only while a model runs."""


class SettingError(ValueError):
    """A setting does not fit the data or another one: the message says which, and what to do.

    The command lines print it as one line.
    """

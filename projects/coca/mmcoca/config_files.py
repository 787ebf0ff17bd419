# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Config files, by their paths or of installed packages."""

from __future__ import annotations

import os
from importlib.util import find_spec

from mmengine.config import Config
from mmengine.hub import get_config

from mmcoca.errors import MissingFileError, UserError


def read_config(path: str | os.PathLike) -> Config:
    """A config by its path, or as a `_base_` names one of a package: mmcoca::coca/coca_base.py.

    Raises MissingFileError where there is no such file, UserError where there is no such package;
    MMEngine would install one.
    """
    package, is_of_package, name = os.fspath(path).partition('::')
    if not is_of_package:
        if not os.path.isfile(path):
            raise MissingFileError.of('config file', path)
        return Config.fromfile(path)
    if find_spec(package) is None:
        raise UserError(f'config {path}: the package {package} is not installed')
    try:
        return get_config(f'{package}::{name}')
    except FileNotFoundError as error:
        raise MissingFileError(f'config {path}: {package} has none of this name') from error

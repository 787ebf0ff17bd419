# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Modules of mmcoca that need nothing of it, for the processes of every library.

From their files, since an environment of a peer has no mmcoca.
"""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).parents[2] / 'projects/coca/mmcoca'


def load(name: str) -> ModuleType:
    """The module of a file of the package."""
    spec = spec_from_file_location(name, PACKAGE / f'{name}.py')
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def take_process_settings() -> None:
    """Every library works with the settings that mmcoca's tools give themselves."""
    settings = load('process_settings')
    settings.limit_spinning()
    settings.keep_freed_memory()

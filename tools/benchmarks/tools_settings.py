# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The settings of mmcoca's tools, for the processes of every library."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

PROCESS_SETTINGS = Path(__file__).parents[2] / 'projects/coca/mmcoca/process_settings.py'


def take_process_settings() -> None:
    """Every library works with the settings that mmcoca's tools give themselves.

    From the file, since an environment of a peer has no mmcoca.
    """
    spec = spec_from_file_location('process_settings', PROCESS_SETTINGS)
    settings = module_from_spec(spec)
    spec.loader.exec_module(settings)
    settings.limit_spinning()
    settings.keep_freed_memory()

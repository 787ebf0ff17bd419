# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""mmdet's own configs, which those of our detectors build on."""

from importlib.util import find_spec

from mmengine.config import Config

from mmcoca.config_files import read_config
from mmcoca.errors import UserError


def config_of_mmdet(path: str) -> Config:
    """A config of the installed mmdet by its path below mmdet's `configs`.

    Raises:
        UserError: mmdet is not installed. MMEngine would install the original one by itself,
            beside the stack that there is.
    """
    if find_spec('mmdet') is None:
        raise UserError('mmdet is missing: pip install "mmcoca[detection]"')
    return read_config(f'mmdet::{path}')

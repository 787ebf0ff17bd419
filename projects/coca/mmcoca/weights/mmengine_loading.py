# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""MMEngine's ways to a checkpoint, all of which lead through `load_safely` once this is installed.

These are `load_from`, resuming, `init_cfg`, get_model and the inferencers, from files, addresses
and model zoos. MMEngine itself falls back to unpickling, which executes what a file wants.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlparse

import torch
from mmengine.runner import CheckpointLoader, checkpoint

from .reading import Device, load_pickled, load_safely


def load_from_local(filename: str, map_location: Device = None) -> dict:
    """MMEngine's loader of files. Raises UserError as `load_safely` does."""
    return load_safely(os.path.expanduser(filename), map_location)


def load_from_buffer(
    file: str | BinaryIO, map_location: Device = None, weights_only: bool | None = None
) -> dict:
    """MMEngine's reader of what its storage backends fetched; `weights_only` is always true."""
    if isinstance(file, str):
        return load_safely(file, map_location)
    return load_pickled(file, map_location, 'the checkpoint')


def load_url(
    url: str,
    model_dir: str | None = None,
    map_location: Device = None,
    progress: bool = True
) -> dict:
    """torch.hub's download into its cache, read safely. Raises UserError as `load_safely` does."""
    folder = Path(model_dir or Path(torch.hub.get_dir(), 'checkpoints'))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / Path(urlparse(url).path).name
    if not path.exists():
        torch.hub.download_url_to_file(url, str(path), progress=progress)
    return load_safely(str(path), map_location)


def install_safe_loading() -> None:
    """Put these in the place of MMEngine's, for the whole process."""
    CheckpointLoader.register_scheme('', load_from_local, force=True)
    # Of what its other loaders call there is no registry.
    checkpoint._safe_torch_load = load_from_buffer
    checkpoint.load_url = load_url

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Files of weights, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from mmcoca.errors import UserError, first_line


def check_target(source: str, target: str) -> None:
    """Make the target's folder. Raises UserError where nothing could be written to it."""
    if os.path.isdir(target):
        raise UserError(f'DST {target} is a folder, not a file')
    if os.path.exists(target) and os.path.exists(source) and os.path.samefile(source, target):
        raise UserError(f'DST {target} is SRC: it would be overwritten')
    folder = Path(target).parent
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise UserError(f'folder {folder} cannot be written to')


def write_weights(
    weights: Mapping[str, Tensor], path: str, meta: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file, told by the ending, or else a checkpoint of torch.

    First to a file beside it, so that no failure or interruption leaves half of one.

    Args:
        meta: What a safetensors file says of itself, or a checkpoint of MMEngine as its 'meta';
            None: a file of torch holds the weights alone, as open_clip's do.

    Raises UserError if it cannot be written.
    """
    partial = Path(f'{path}.partial')
    try:
        if path.endswith('.safetensors'):
            # Tied parameters share their memory, of which the format knows nothing.
            weights = {name: tensor.detach().clone() for name, tensor in weights.items()}
            weights = {name: tensor.contiguous() for name, tensor in weights.items()}
            save_file(weights, partial, dict(meta or {}))
        elif meta is None:
            torch.save(weights, partial)
        else:
            torch.save(dict(meta=dict(meta), state_dict=weights), partial)
        os.replace(partial, path)
    except Exception as error:  # the libraries have their own for a full disk
        raise UserError(f'{path} cannot be written: {first_line(error)}') from error
    finally:
        partial.unlink(missing_ok=True)

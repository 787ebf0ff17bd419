# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Files of weights, read without executing code of theirs."""

from __future__ import annotations

import os
from pathlib import Path
from pickle import UnpicklingError

import torch
from mmengine.runner.checkpoint import get_torch_safe_globals
from safetensors.torch import load_file
from torch import Tensor

from mmcoca.errors import UserError


def load_safely(path: str, device: str = 'cpu') -> dict:
    """What a checkpoint file holds, on 'cpu', or on 'meta' without the values of its tensors.

    Raises UserError if there is none, or if it is no checkpoint of plain tensors: MMEngine would
    otherwise fall back to unpickling, which executes code.
    """
    if os.path.isdir(path):
        raise UserError(f'{path} is a folder, not a checkpoint')
    if not os.path.isfile(path):
        raise UserError(f'checkpoint {path} does not exist')
    check_kind(path)
    try:
        with torch.serialization.safe_globals(get_torch_safe_globals()):
            checkpoint = torch.load(path, map_location=device, weights_only=True)
    except UnpicklingError as error:
        raise UserError(
            f'{path} is refused: it holds more than tensors, so that reading it could execute code'
        ) from error
    except Exception as error:  # a file of anything else makes the reader raise anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f'{path} is not a checkpoint: {reason}') from error
    if not isinstance(checkpoint, dict):
        raise UserError(f'{path} is not a checkpoint: it holds a {type(checkpoint).__name__}')
    return checkpoint


def check_kind(path: str) -> None:
    """Raise UserError for a file that does not begin as torch's do."""
    with open(path, 'rb') as file:
        beginning = file.read(9)
    if beginning[8:] == b'{':
        raise UserError(
            f'{path} is not a checkpoint but a safetensors file: its name should say so, and '
            'tools/model_converters/open_clip_to_mmcoca.py makes a checkpoint of open_clip\'s'
        )
    if not beginning.startswith((b'PK', b'\x80')):
        raise UserError(f'{path} is not a checkpoint: torch has not written it')


def read_state_dict(path: str) -> dict[str, Tensor]:
    """The tensors of a .safetensors or torch file, without what a training saved beside them.

    A work directory stands for its last checkpoint. Raises UserError for a file that cannot be read
    without executing code of it.
    """
    if os.path.isdir(path):
        path = find_checkpoint(path)
    if path.endswith('.safetensors'):
        if not os.path.isfile(path):
            raise UserError(f'{path} does not exist')
        try:
            return load_file(path)
        except Exception as error:  # the library's own class is not public
            raise UserError(f'{path} is not a safetensors file: {error}') from error
    checkpoint = load_safely(path)
    state_dict = checkpoint.get('state_dict', checkpoint)
    if not isinstance(state_dict, dict):
        raise UserError(f'{path} is not a checkpoint: its state_dict is no dictionary')
    if not all(isinstance(name, str) for name in state_dict):
        raise UserError(f'{path} is not a checkpoint: its state_dict has names that are no strings')
    # As DistributedDataParallel and torch.compile name the parameters of what they wrap.
    return {
        name.removeprefix('module.').removeprefix('_orig_mod.'): tensor
        for name, tensor in state_dict.items()
    }


def find_checkpoint(path: str) -> str:
    """A checkpoint file, or the last one of a work directory; read safely once to be sure.

    Raises UserError as `load_safely` does, and for a directory without a last checkpoint.
    """
    if os.path.isdir(path):
        pointer = Path(path, 'last_checkpoint')
        if not pointer.is_file():
            raise UserError(f'{path} holds no last_checkpoint: name a checkpoint file')
        recorded = Path(pointer.read_text().strip())
        path = str(recorded if recorded.is_file() else Path(path, recorded.name))
    load_safely(path, 'meta')
    return path

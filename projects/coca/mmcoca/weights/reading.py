# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Files of weights, of torch and of safetensors, read without executing code of theirs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import BinaryIO

import torch
from safetensors import safe_open
from torch import Tensor

from mmcoca.errors import MissingFileError, UserError, first_line
from mmcoca.shipped_files import local_path

from .pickles import only_allowed

Device = str | torch.device | Callable | None  # as torch.load takes it


def load_safely(path: str, device: Device = 'cpu') -> dict:
    """What a checkpoint holds; of a safetensors file, its tensors as 'state_dict'.

    Args:
        device: As in torch.load; 'meta' leaves the values of the tensors in the file.

    Raises MissingFileError if there is no such file, UserError if it is no checkpoint of plain
    values.
    """
    path = local_path(path)
    if os.path.isdir(path):
        raise UserError(f'{path} is a folder, not a checkpoint')
    if not os.path.isfile(path):
        raise MissingFileError.of('checkpoint', path)
    with open(path, 'rb') as file:
        beginning = file.read(9)
    if beginning[8:] == b'{':
        return dict(state_dict=load_safetensors(path, device))
    if not beginning.startswith((b'PK', b'\x80')):
        raise UserError(f'{path} is not a checkpoint: neither torch nor safetensors has written it')
    return load_pickled(path, device, path)


def load_safetensors(path: str, device: Device = 'cpu') -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises UserError for a broken one."""
    try:
        if device == 'meta':
            return tensors_without_values(path)
        with safe_open(path, 'pt') as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except Exception as error:  # the library's own class is not public
        raise UserError(f'{path} is not a safetensors file: {error}') from error
    if isinstance(device, str | torch.device):
        return {name: tensor.to(device) for name, tensor in tensors.items()}
    return tensors


def tensors_without_values(path: str) -> dict[str, Tensor]:
    """Names and shapes of a safetensors file, as tensors on 'meta'."""
    with safe_open(path, 'pt') as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}
    return {name: torch.empty(shape, device='meta') for name, shape in shapes.items()}


def load_pickled(file: str | BinaryIO, device: Device, name: str) -> dict:
    """What a checkpoint of torch holds: tensors, plain values, and the history of MMEngine's logs.

    Args:
        name: Of the file, for messages.

    Raises UserError for anything else.
    """
    try:
        with only_allowed():
            checkpoint = torch.load(file, map_location=device, weights_only=True)
    except UnpicklingError as error:
        raise UserError(
            f'{name} is refused: it holds more than tensors and plain values, so that reading it '
            'could execute code'
        ) from error
    except Exception as error:  # a file of anything else makes the reader raise anything
        raise UserError(f'{name} is not a checkpoint: {first_line(error)}') from error
    if not isinstance(checkpoint, dict):
        raise UserError(f'{name} is not a checkpoint: it holds a {type(checkpoint).__name__}')
    if isinstance(checkpoint.get('meta'), dict):
        # A config, which MMEngine's resume would execute to compare one setting of old versions.
        checkpoint['meta'].pop('config', None)
    return checkpoint


def read_state_dict(path: str, device: Device = 'cpu') -> dict[str, Tensor]:
    """The tensors of a file of weights, without what a training saved beside them.

    A work directory stands for its last checkpoint. Raises UserError as `load_safely` does, and for
    a state dict with other names than strings or other values than tensors.
    """
    if os.path.isdir(path):
        path = find_checkpoint(path)
    checkpoint = load_safely(path, device)
    state_dict = checkpoint.get('state_dict', checkpoint)
    if not isinstance(state_dict, dict):
        raise UserError(f'{path} is not a checkpoint: its state_dict is no dictionary')
    for name, tensor in state_dict.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise UserError(f'{path} is not a checkpoint of tensors alone: it has {name!r}')
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
        named = named_by(pointer)
        if named is None:
            raise UserError(f'{pointer} is empty: name a checkpoint file')
        path = str(named)
    path = local_path(path)
    load_safely(path, 'meta')
    return path


def named_by(pointer: Path) -> Path | None:
    """The checkpoint that MMEngine's last_checkpoint names; a folder's own, if it is a copy."""
    text = pointer.read_text(errors='replace').strip() if pointer.is_file() else ''
    if not text:
        return None
    own = pointer.parent / Path(text).name
    return own if own.exists() else Path(text)

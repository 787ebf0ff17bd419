# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Checkpoint files: read without executing code, and compared with the model they are for."""

from __future__ import annotations

import os
import re
from pathlib import Path
from pickle import UnpicklingError

import torch
from mmengine.model import is_model_wrapper
from mmengine.runner.checkpoint import get_torch_safe_globals
from safetensors.torch import load_file
from torch import Tensor, nn

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


def check_some_weights(path: str, model: nn.Module) -> None:
    """Raise UserError if not a single tensor of a checkpoint is one of the model's."""
    checkpoint = load_safely(path, 'meta')
    found = checkpoint.get('state_dict', checkpoint)
    expected = (model.module if is_model_wrapper(model) else model).state_dict()
    if not set(found) & set(expected):
        raise UserError(
            f'{path} is of another model: none of its {len(found)} tensors is one of the '
            f'{len(expected)} here; open_clip\'s become a checkpoint by '
            'tools/model_converters/open_clip_to_mmcoca.py'
        )


def without_numbers(name: str) -> str:
    """A tensor's name, the same for all layers of a stack."""
    return re.sub(r'\.\d+\.', '.', name)


def check_checkpoint(path: str, model: nn.Module) -> None:
    """Raise UserError if a checkpoint lacks parameters of the model, or has other shapes or layers.

    MMEngine would test with what is missing left at its random start. Position embeddings may be of
    another image size: mmpretrain's ViT interpolates them.
    """
    checkpoint = load_safely(path, 'meta')
    found = checkpoint.get('state_dict', checkpoint)
    expected = (model.module if is_model_wrapper(model) else model).state_dict()
    missing = [name for name in expected if name not in found]
    if missing:
        raise UserError(
            f'{path} is of another model: it lacks {len(missing)} of {len(expected)} tensors, '
            f'first {missing[0]}; a task that has parts of its own is trained first, by train.py'
        )
    kinds = {without_numbers(name) for name in expected}
    more = [n for n in found if n not in expected and without_numbers(n) in kinds]
    if more:
        raise UserError(
            f'{path} is of another model: it has {len(more)} tensors more than the config, first '
            f'{more[0]}'
        )
    for name, tensor in expected.items():
        is_interpolated = name.endswith('pos_embed') and found[name].dim() == tensor.dim()
        if found[name].shape != tensor.shape and not is_interpolated:
            raise UserError(
                f'{path} is of another model: {name} is {tuple(found[name].shape)} there, '
                f'{tuple(tensor.shape)} in the config'
            )

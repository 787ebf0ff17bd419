# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Whether a checkpoint is of the model that is to have its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mmengine.model import is_model_wrapper
from torch import Tensor, nn

from mmcoca.errors import UserError
from mmcoca.shipped_files import local_path

from .reading import read_state_dict
from .vocabulary import vocabulary_problem


def check_some_weights(path: str, model: nn.Module) -> None:
    """Raise UserError if not a single tensor of a checkpoint is one of the model's.

    Nor may they be of another vocabulary: MMEngine would leave its tokens at their random start.
    """
    found = read_state_dict(path, 'meta')
    expected = (model.module if is_model_wrapper(model) else model).state_dict()
    if not set(found) & set(expected):
        raise UserError(
            f'{path} is of another model: none of its {len(found)} tensors is one of the '
            f'{len(expected)} here; open_clip\'s become a checkpoint by '
            'tools/model_converters/open_clip_to_mmcoca.py'
        )
    problem = vocabulary_problem(found, expected)
    if problem:
        raise UserError(f'{path}: {problem}')


def check_pretrained_parts(model: nn.Module) -> None:
    """Raise UserError if the `init_cfg` of a part names weights of which none is the part's.

    MMEngine would warn, and train it from its random start: without the `prefix` that the weights
    of a whole model have before the part's names.
    """
    for place, part in model.named_modules():
        cfg = getattr(part, 'init_cfg', None)
        if not isinstance(cfg, Mapping) or cfg.get('type') != 'Pretrained':
            continue
        path = local_path(cfg['checkpoint'])
        if '://' in path:
            continue
        prefix = (cfg.get('prefix') or '').rstrip('.')
        start = f'{prefix}.' if prefix else ''
        found, expected = read_state_dict(path, 'meta'), part.state_dict()
        if not any(f'{start}{name}' in found for name in expected):
            name = next(iter(expected))
            like = next((other for other in found if other.endswith(f'.{name}')), None)
            hint = f": set its prefix='{like.removesuffix(f'.{name}')}'" if like else ''
            raise UserError(
                f'{path} has none of the {len(expected)} tensors of {place or "the model"}, which '
                f'its init_cfg is to fill (prefix {prefix!r}){hint}'
            )


def same_shape(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape; of models in parts, () is (1,)."""
    return one.shape == other.shape or (one.numel() == other.numel() == 1)


def without_numbers(name: str) -> str:
    """A tensor's name, the same for all layers of a stack."""
    return re.sub(r'\.\d+\.', '.', name)


def check_checkpoint(path: str, model: nn.Module) -> None:
    """Raise UserError if a checkpoint lacks parameters of the model, or has other shapes or layers.

    MMEngine would test with what is missing left at its random start. Position embeddings may be of
    another image size: mmpretrain's ViT interpolates them.
    """
    found = read_state_dict(path, 'meta')
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
    problem = vocabulary_problem(found, expected)
    if problem:
        raise UserError(f'{path}: {problem}')
    for name, tensor in expected.items():
        is_interpolated = name.endswith('pos_embed') and found[name].dim() == tensor.dim()
        if not (is_interpolated or same_shape(found[name], tensor)):
            raise UserError(
                f'{path} is of another model: {name} is {tuple(found[name].shape)} there, '
                f'{tuple(tensor.shape)} in the config'
            )

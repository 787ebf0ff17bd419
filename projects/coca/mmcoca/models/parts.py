# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The parts of a CoCa: built with errors that name them, checked against each other, frozen."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModel
from mmengine.registry import Registry
from torch import Tensor

from mmcoca.weights.vocabulary import vocabulary_problem

from .generation import check_lengths


def build_part(name: str, registry: Registry, cfg: dict | None, **known: Any) -> Any:
    """A part of the model, None if there is no config; its errors say which part.

    Args:
        known: What the rest of the model tells of parameters that the part's class asks for, such
            as dims. They are used where the config leaves them out.
    """
    if cfg is None:
        return None
    try:
        return registry.build(fill_in(registry, cfg, **known))
    except TypeError as error:
        raise TypeError(f'{name}: {error}') from error
    except ValueError as error:
        raise ValueError(f'{name}: {error}') from error


def fill_in(registry: Registry, cfg: dict, **known: Any) -> dict:
    """A config with values for parameters that its class asks for and that it leaves out."""
    if not known:
        return cfg
    part = cfg['type'] if isinstance(cfg['type'], type) else registry.get(cfg['type'])
    parameters = inspect.signature(part).parameters if part is not None else {}
    needed = [
        name for name in known
        if name in parameters and parameters[name].default is inspect.Parameter.empty
    ]
    return {name: known[name] for name in needed} | dict(cfg)


def check_parts(model: BaseModel) -> None:
    """Raise ValueError, naming both values, where two parts of a CoCa contradict each other."""
    text, head, tokenizer = model.text, model.captioning_head, model.tokenizer
    if head is None and model.contrastive_head is None:
        raise ValueError('a model needs a contrastive_head or a captioning_head, but has none')
    pad_id = getattr(text.unimodal, 'pad_id', tokenizer.pad_id)
    if pad_id != tokenizer.pad_id:
        raise ValueError(
            f"the text decoder masks id {pad_id} (pad_id), but the tokenizer's padding is "
            f'{tokenizer.pad_id}'
        )
    if tokenizer.vocab_size > text.vocab_size:
        raise ValueError(
            f'the tokenizer has {tokenizer.vocab_size} tokens, but the text decoder embeds '
            f'{text.vocab_size} (vocab_size)'
        )
    if tokenizer.max_length > text.max_length:
        raise ValueError(
            f'the tokenizer keeps {tokenizer.max_length} tokens of a text (max_length), but '
            f'the text decoder has {text.max_length} positions'
        )
    width = getattr(model.backbone, 'embed_dims', model.neck.memory_dims)
    if width != model.neck.memory_dims:
        raise ValueError(
            f'the image encoder is {width} wide, but the pooler reads '
            f'{model.neck.memory_dims} (memory_dims)'
        )
    if model.neck.dims != text.dims:
        raise ValueError(f'pooler width {model.neck.dims} is not the text width {text.dims}')
    if text.multimodal is not None and model.neck.regional_dims != text.memory_dims:
        raise ValueError(
            f'the regional tokens are {model.neck.regional_dims} wide, but the multimodal layers '
            f'read {text.memory_dims} (memory_dims)'
        )
    contrastive_dims = model.contrastive_head.dims if model.contrastive_head else None
    if contrastive_dims not in (None, text.dims):
        raise ValueError(
            f'the contrastive head takes features {contrastive_dims} wide (dims), but pooler '
            f'and text are {text.dims}'
        )
    if head is not None and text.multimodal is None:
        raise ValueError('a captioning head needs num_multimodal_layers > 0, but it is 0')
    if head is not None and tuple(head.weight.shape) != (text.vocab_size, text.dims):
        raise ValueError(
            f'the captioning head is {tuple(head.weight.shape)} (vocabulary, width), but the '
            f'text decoder is {(text.vocab_size, text.dims)}'
        )
    if model.generation is not None and head is not None:
        check_lengths(model.generation, text, tokenizer)


def freeze(model: BaseModel, names: Sequence[str]) -> None:
    """Keep these parameters, and those of these modules, from learning.

    Raises ValueError for a name of neither, and for one name in place of a list.
    """
    if isinstance(names, str):
        raise ValueError(f'frozen is a list of parts: [{names!r}]')
    parts = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_modules())
    for name in names:
        if not name or name not in parts:
            children = ', '.join(child for child, _ in model.named_children())
            raise ValueError(f"frozen: no module or parameter is named '{name}', as {children} are")
        parts[name].requires_grad_(False)


def keep_in_evaluation(model: BaseModel, names: Sequence[str]) -> None:
    """Set the modules among these parts to evaluation mode."""
    modules = dict(model.named_modules())
    for name in names:
        if name in modules:
            modules[name].eval()


def is_trained(head: BaseModel | None) -> bool:
    """Whether there is a head whose loss has a weight (`loss_weight`)."""
    return head is not None and getattr(head.loss_module, 'loss_weight', 1.0) != 0


def parts_of_loss(model: BaseModel, loss: str) -> list[str]:
    """Names of the modules and parameters that serve the 'contrastive' or 'captioning' loss alone.

    What neck and text decoder say of themselves (`contrastive_parts`, `captioning_parts`), and the
    head.
    """
    names = [
        f'{part}.{name}' for part in ('neck', 'text')
        for name in getattr(getattr(model, part), f'{loss}_parts', ())
    ]
    return names + head_of_loss(model, loss)


def head_of_loss(model: BaseModel, loss: str) -> list[str]:
    """The name of the loss's head, if there is one that shares no parameter with the text decoder.
    """
    head = getattr(model, f'{loss}_head')
    is_shared = getattr(head, 'tie_embeddings', False)
    return [] if head is None or is_shared else [f'{loss}_head']


def refuse_other_weights(
    model: BaseModel, state_dict: dict[str, Tensor], prefix: str, *_: object
) -> None:
    """A hook before `load_state_dict`: ValueError for a model's weights that are none of its own.

    MMEngine's loading, which is never strict, would pass over them with a warning and leave the
    model at its random start; so it would leave the tokens where these are of another vocabulary. A
    model inside another one takes what there is for it, also nothing.
    """
    if prefix or not state_dict:
        return
    own = model.state_dict()
    if not own.keys() & state_dict.keys():
        raise ValueError(
            f'none of the {len(state_dict)} tensors of this checkpoint is one of the {len(own)} of '
            "the model; open_clip's become a checkpoint by "
            'tools/model_converters/open_clip_to_mmcoca.py'
        )
    problem = vocabulary_problem(state_dict, own)
    if problem:
        raise ValueError(problem)


def note_weights(model: BaseModel, state_dict: dict[str, Tensor], prefix: str, *_: object) -> None:
    """A hook before `load_state_dict`: the model no longer has nothing but its random start."""
    if any(name.startswith(prefix) for name in state_dict):
        model.has_learned = True


def warn_of_random_weights(model: BaseModel) -> None:
    """Warn where a model is asked that was neither trained nor given any weights."""
    if not model.has_learned:
        warnings.warn(
            'this CoCa has random weights, so that what it says means nothing: no weights were '
            'loaded into it (pretrained=FILE, load_model) and it was not trained',
            stacklevel=3,
        )

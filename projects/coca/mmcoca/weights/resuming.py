# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""From which checkpoint a training goes on, and whether it can."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path

from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from mmcoca.errors import UserError

from .matching import same_shape
from .reading import load_safely, named_by

# What torch and MMEngine add to a parameter group besides the optimizer's own settings.
_BOOKKEEPING = {'params', 'param_names', 'initial_lr'}


def find_resumable(work_dir: str) -> str | None:
    """The checkpoint to go on from: the last of a work directory, or the newest that is whole.

    Says which files were passed over, and why. None where there is no checkpoint at all.

    Raises UserError where there are some, but none can be read.
    """
    pointer = Path(work_dir, 'last_checkpoint')
    last = named_by(pointer)
    candidates = [last] if last is not None else []
    for folder in dict.fromkeys([last.parent if last else Path(work_dir), Path(work_dir)]):
        # Files with a higher number than the last are of another training.
        candidates += [path for path in numbered(folder, before=last) if path not in candidates]
    reasons = []
    for path in candidates:
        if path.is_dir():  # of a strategy that saves shards, which MMEngine alone can read
            return str(path)
        try:
            load_safely(str(path), 'meta')
        except UserError as error:
            named = f' ({pointer} names it)' if path == last else ''
            reasons.append(f'{error}{named}')
            print_log(f'passed over: {reasons[-1]}', 'current', logging.WARNING)
        else:
            print_log(f'resuming from {path}', 'current')
            return str(path)
    if pointer.is_file() and last is None:
        reasons.append(f'{pointer} is empty')
    if reasons:
        raise UserError(
            f'{work_dir} has no checkpoint to resume from: {"; ".join(reasons)}. Name one '
            '(--resume CHECKPOINT), or train anew without --resume'
        )
    return None


def numbered(folder: Path, before: Path | None) -> list[Path]:
    """The checkpoints of a training, newest first, of those before one if it has a number too."""
    form = re.compile(r'(epoch|iter)_(\d+)\.pth')
    found = [form.fullmatch(path.name) for path in folder.glob('*.pth')]
    limit = form.fullmatch(before.name) if before is not None else None
    if limit:
        found = [m for m in found if m and m[1] == limit[1] and int(m[2]) < int(limit[2])]
    # Of two kinds, which a training does not write at once, the one with the newest file.
    by_kind: dict[str, list[re.Match]] = {}
    for match in filter(None, found):
        by_kind.setdefault(match[1], []).append(match)
    kinds = sorted(by_kind.values(), key=lambda kind: -max(modified(folder, m) for m in kind))
    return [folder / match[0] for kind in kinds for match in sorted(kind, key=lambda m: -int(m[2]))]


def modified(folder: Path, match: re.Match) -> float:
    """When a file was last written."""
    return (folder / match[0]).stat().st_mtime


def progress_of(path: str) -> tuple[int, int]:
    """Epochs and iterations after which a checkpoint was saved.

    Raises UserError for a file without them, and as `load_safely` does.
    """
    meta = load_safely(path, 'meta').get('meta')
    if not isinstance(meta, dict) or not {'epoch', 'iter'} <= set(meta):
        raise UserError(
            f'{path} is no checkpoint of a training: to begin one with its weights, set load_from'
        )
    return meta['epoch'], meta['iter']


def check_resumable(
    path: str,
    model: nn.Module,
    optim_wrapper: OptimWrapper,
    num_schedulers: int | None = None,
) -> None:
    """Raise UserError where a checkpoint is of another model, optimizer or schedule.

    Args:
        num_schedulers: Of the parameters, as the config's `param_scheduler` has them.
    """
    progress_of(path)
    checkpoint = load_safely(path, 'meta')
    try:
        check_weights(checkpoint.get('state_dict', {}), model)
        check_optimizer(checkpoint.get('optimizer'), optim_wrapper)
        saved = checkpoint.get('param_schedulers')
        if num_schedulers is not None and saved is not None and len(saved) != num_schedulers:
            raise Difference(
                f'its training had {counted(len(saved), "scheduler")}, the config has '
                f'{num_schedulers} (param_scheduler)'
            )
    except Difference as difference:
        raise UserError(
            f'cannot resume from {path}: {difference}. Change the setting back; or begin a '
            'training with these weights: load_from in place of --resume'
        ) from None


def finished(path: str, train_cfg: Mapping) -> str | None:
    """How much a checkpoint's training has done, if no less than the config asks for."""
    for unit, done in zip(('epochs', 'iters'), progress_of(path)):
        limit = train_cfg.get(f'max_{unit}')
        if limit is not None and done >= limit:
            return f'{done} of {limit} {unit} (train_cfg.max_{unit})'
    return None


def what_is_kept(
    path: str, optim_wrapper: OptimWrapper, takes_schedule_of_config: bool = False
) -> str:
    """What of a checkpoint goes on, where a config could be thought to say otherwise."""
    epoch, iteration = progress_of(path)
    saved = load_safely(path, 'meta').get('optimizer')
    line = f'resuming after {f"epoch {epoch}, " if epoch else ""}iteration {iteration}'
    if saved is None or not isinstance(optim_wrapper, OptimWrapper):
        return f'{line}, without a state of the optimizer'
    if takes_schedule_of_config:
        return f'{line}, with the optimizer of the checkpoint; settings and schedule of the config'
    line += ', with the optimizer, its settings and the schedule of the checkpoint'
    for group, other in zip(optim_wrapper.param_groups, saved['param_groups']):
        rate, kept = group.get('initial_lr', group['lr']), other.get('initial_lr', other['lr'])
        if rate != kept:
            return (
                f'{line}: its learning rate {kept:.4g} is kept, not {rate:.4g} of the config, '
                'which --resume-schedule config would take'
            )
    return line


class Difference(Exception):
    """Between a checkpoint and a config, in words that name the setting."""


def check_weights(found: Mapping[str, Tensor], model: nn.Module) -> None:
    """Raise Difference unless all tensors of the model are there, in their shapes, and no more."""
    expected = (model.module if is_model_wrapper(model) else model).state_dict()
    for names, is_there in (
        ([n for n in expected if n not in found], 'lacks'),
        ([n for n in found if n not in expected], 'has'),
    ):
        if names:
            more = f' and {len(names) - 1} others' if len(names) > 1 else ''
            raise Difference(
                f'it {is_there} {names[0]}{more}, which {setting_of(names[0])} decides'
            )
    for name, tensor in expected.items():
        if not same_shape(found[name], tensor):
            raise Difference(
                f'{name} is {tuple(found[name].shape)} there, {tuple(tensor.shape)} in the config '
                f'({setting_of(name)})'
            )


def setting_of(name: str) -> str:
    """The setting on which a tensor of the model depends."""
    if name.endswith(('token_embedding.weight', 'captioning_head.weight')):
        return 'model.text.vocab_size or another size in model.text'
    if name.endswith('backbone.pos_embed'):
        return 'model.backbone.img_size or another size in model.backbone'
    return f'model.{name.split(".")[0]}'


def check_optimizer(found: Mapping | None, optim_wrapper: OptimWrapper) -> None:
    """Raise Difference unless an optimizer's state is of one like this, of the same parameters."""
    if found is None or not isinstance(optim_wrapper, OptimWrapper):
        return  # saved without (save_optimizer), or one of MMEngine's many optimizers
    optimizer = optim_wrapper.optimizer
    groups, saved = optimizer.param_groups, found['param_groups']
    kind = type(optimizer).__name__
    own, theirs = set(optimizer.defaults), set(saved[0]) - _BOOKKEEPING
    # Another version of torch has more settings or less; another optimizer more and less.
    missing, unknown = own - theirs, theirs - own - set(groups[0])
    if missing and unknown:
        raise Difference(
            f'its optimizer has {", ".join(sorted(unknown))}, but {kind} '
            f'(optim_wrapper.optimizer.type) {", ".join(sorted(missing))}'
        )
    if len(saved) != len(groups):
        raise Difference(
            f'its optimizer has {counted(len(saved), "parameter group")}, but {kind} '
            f'{len(groups)} (optim_wrapper.constructor, optim_wrapper.paramwise_cfg)'
        )
    for number, (group, other) in enumerate(zip(groups, saved)):
        if len(group['params']) != len(other['params']):
            raise Difference(
                f'group {number} of its optimizer has '
                f'{counted(len(other["params"]), "parameter")}, but that of {kind} '
                f'{len(group["params"])} (model.frozen, optim_wrapper.paramwise_cfg)'
            )
        for parameter, key in zip(group['params'], other['params']):
            for name, value in found['state'].get(key, {}).items():
                if not fits(value, parameter):
                    raise Difference(
                        f'{name} of its optimizer is {tuple(value.shape)} where a parameter is '
                        f'{tuple(parameter.shape)} (model.frozen, optim_wrapper.paramwise_cfg)'
                    )


def fits(value: object, parameter: Tensor) -> bool:
    """Whether an optimizer's value may be of a parameter: as large, or an average along some of it.
    """
    if not isinstance(value, Tensor):
        return True
    if value.numel() == 1:
        return True
    if value.dim() == parameter.dim():
        return all(size in (1, other) for size, other in zip(value.shape, parameter.shape))
    return all(size == 1 or size in parameter.shape for size in value.shape)


def counted(number: int, name: str) -> str:
    """One thing, two things."""
    return f'{number} {name}{"s" * (number != 1)}'

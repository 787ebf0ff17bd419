# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Options of the command lines, and what may be set with --cfg-options."""

from __future__ import annotations

import argparse
import difflib
import inspect
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from mmcoca.errors import UserError

from .variables import leaves, settings_made_with

# What MMEngine reads of a config: the parameters of its Runner, and of the config itself.
READ_BY_MMENGINE = {
    *inspect.signature(Runner).parameters,
    'activation_checkpointing',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'runner_type',
    'sync_bn',
}
ALIKE = 0.85  # of two keys, as difflib has it: one letter more or less
SHOWN_PLACES = 6  # of settings, in one message


def program_name() -> str:
    """How this program was called: mmcoca train, or python tools/train.py."""
    return f'python {sys.argv[0]}' if sys.argv[0].endswith('.py') else sys.argv[0]


def positive(text: str) -> int:
    """A number of the command line that is 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{value} is less than 1')
    return value


def not_negative(text: str) -> int:
    """A number of the command line that is 0 or more."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f'{value} is less than 0')
    return value


def check_out(path: str, ending: str) -> None:
    """Make the folder of a result, and see that the result can be written there.

    Raises UserError for another ending, a folder of that name; OSError where none can be written.
    """
    if not path.endswith(ending):
        raise UserError(f'--out {path}: the ending must be {ending}')
    if os.path.isdir(path):
        raise UserError(f'--out {path} is a folder')
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    try:
        open(path, 'xb').close()
    except FileExistsError:
        open(path, 'ab').close()
    else:
        os.unlink(path)


class ConfigOptions(DictAction):
    """MMEngine's KEY=VALUE options, with a usage error for what is not of that form."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Parse the values, as argparse calls it."""
        for value in values:
            if '=' not in value:
                parser.error(f'{option_string} takes KEY=VALUE, not {value}')
        super().__call__(parser, namespace, values, option_string)


def parse_option(text: str) -> tuple[str, Any]:
    """KEY=VALUE -> the key, the value as MMEngine understands it."""
    key, _, value = text.partition('=')
    return key, DictAction._parse_iterable(value)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that mmpretrain's train.py and test.py both have."""
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for logs, checkpoints and metrics')
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument('--no-pin-memory', action='store_true', help='no pinned memory for loading')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help='override settings of the config, e.g. train_dataloader.batch_size=32; lists as '
        'key="[a,b]"',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='job launcher'
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='for launchers')


def check_spelling(cfg: Config, option: str) -> None:
    """Raise UserError for a key that is not there, beside one that is spelt much the same.

    Others may be arguments of a class that the config leaves at their defaults.
    """
    settings, path = cfg._cfg_dict, []
    for key in option.split('.'):
        if not isinstance(settings, dict) or not settings:
            return
        if key not in settings:
            for near in difflib.get_close_matches(key, settings, n=1, cutoff=ALIKE):
                place = f'{".".join(path)} of {cfg.filename}' if path else cfg.filename
                raise UserError(f"{place} has no '{key}' to set: did you mean '{near}'?")
            return
        settings = settings[key]
        path.append(key)


def misspelt_names(cfg: Config) -> Iterator[tuple[str, str]]:
    """Names of the config's top level that nothing reads, each with one like it that is read."""
    for name in cfg:
        if name not in READ_BY_MMENGINE:
            for near in difflib.get_close_matches(name, READ_BY_MMENGINE, n=1, cutoff=ALIKE):
                yield name, near


def check_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Raise UserError for an option that neither the config nor MMEngine knows.

    Nor may it be a variable with which the config has made other settings: they would stay.
    """
    known = {*cfg, *READ_BY_MMENGINE}
    for option, value in options.items():
        name = option.split('.')[0]
        if name not in known:
            within = [place for place, _ in leaves(cfg._cfg_dict) if place.endswith(f'.{option}')]
            similar = within or difflib.get_close_matches(name, known, n=1)
            hint = f": did you mean '{similar[0]}'?" if similar else ''
            raise UserError(f"{cfg.filename} has no '{name}' to set{hint}")
        check_spelling(cfg, option)
        if name in READ_BY_MMENGINE:
            continue
        try:
            made = settings_made_with(cfg.filename, option, value)
        except Exception as error:  # a config is a program
            raise UserError(
                f"{cfg.filename} cannot be made with '{option}' as {value!r}: "
                f'{type(error).__name__}: {error}'
            ) from error
        made = [place for place in made if place.split('.')[0] in READ_BY_MMENGINE]
        if made:
            more = f' and {len(made) - SHOWN_PLACES} more' if len(made) > SHOWN_PLACES else ''
            raise UserError(
                f"{cfg.filename}: '{option}' is a variable, with which the config made "
                f"{', '.join(made[:SHOWN_PLACES])}{more}: set those"
            )

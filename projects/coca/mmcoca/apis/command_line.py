# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What tools/train.py and tools/test.py share: options, configs, checkpoints, clear errors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError

import torch
from mmengine.config import Config, DictAction
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from mmengine.runner.checkpoint import get_torch_safe_globals

from mmcoca.datasets import AnnotationError, UnreadableImageError


class UserError(Exception):
    """A mistake of the person at the command line, told in one line."""


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn what a user can mend into one line on stderr and exit status 1."""
    try:
        yield
    except (UserError, FileNotFoundError, AnnotationError, UnreadableImageError) as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        sys.exit(130)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that mmpretrain's train.py and test.py both have."""
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for logs, checkpoints and metrics')
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument('--no-pin-memory', action='store_true', help='no pinned memory for loading')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
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


def load_config(args: argparse.Namespace) -> Config:
    """The config with the common options merged in.

    Raises UserError for a missing or broken config file and for options it cannot take.
    """
    if not os.path.isfile(args.config):
        raise UserError(f'config file {args.config} does not exist')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    try:
        cfg = Config.fromfile(args.config)
        cfg.launcher = args.launcher
        if args.work_dir is not None:
            cfg.work_dir = args.work_dir
        elif cfg.get('work_dir') is None:
            cfg.work_dir = os.path.join('work_dirs', Path(args.config).stem)
        for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            if cfg.get(name) is not None:
                loader = cfg[name]
                loader.setdefault('collate_fn', dict(type='default_collate'))
                loader.setdefault('pin_memory', torch.cuda.is_available())
                if args.no_pin_memory:
                    loader.pin_memory = False
        if args.cfg_options is not None:
            cfg.merge_from_dict(args.cfg_options)
    except (SyntaxError, KeyError, TypeError, ImportError, OSError) as error:
        raise UserError(f'{args.config}: {error}') from error
    return cfg


def build_runner(cfg: Config) -> Runner:
    """The runner of a config. Raises UserError where its parts contradict each other."""
    try:
        return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f'{cfg.filename}: {error}') from error


def find_checkpoint(path: str) -> str:
    """A checkpoint file, or the last one of a work directory; read safely once to be sure.

    Raises UserError if there is none, or if it is no checkpoint of plain tensors: MMEngine would
    otherwise fall back to unpickling, which executes code.
    """
    if os.path.isdir(path):
        pointer = Path(path, 'last_checkpoint')
        if not pointer.is_file():
            raise UserError(f'{path} holds no last_checkpoint: name a checkpoint file')
        recorded = Path(pointer.read_text().strip())
        path = str(recorded if recorded.is_file() else Path(path, recorded.name))
    if not os.path.isfile(path):
        raise UserError(f'checkpoint {path} does not exist')
    try:
        with torch.serialization.safe_globals(get_torch_safe_globals()):
            torch.load(path, map_location='meta', weights_only=True)
    except UnpicklingError as error:
        raise UserError(
            f'{path} is refused: reading it could execute code ({str(error).splitlines()[0]})'
        ) from error
    except (RuntimeError, EOFError, ValueError) as error:
        raise UserError(f'{path} is not a checkpoint: {str(error).splitlines()[0]}') from error
    return path

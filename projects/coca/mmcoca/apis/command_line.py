# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What tools/train.py and tools/test.py share: options, configs, runners, clear errors."""

from __future__ import annotations

import argparse
import difflib
import inspect
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from mmengine.utils.dl_utils import has_batch_norm
from mmpretrain.utils.dependency import WITH_MULTIMODAL

from mmcoca.datasets import AnnotationError, UnreadableImageError, UnreadableVideoError
from mmcoca.errors import SettingError, UserError

# What MMEngine reads from the config itself, besides the parameters of its Runner.
READ_FROM_CONFIG_ALONE = {
    'activation_checkpointing',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'runner_type',
    'sync_bn',
}

# What libraries read from the environment as they are loaded.
PROCESS_SETTINGS = dict(
    # Threads that wait may spin only shortly: with as many threads as cores, spinning would starve
    # the dataloader.
    GOMP_SPINCOUNT='10000',
    # Freed memory is kept: a step on a CPU allocates what the one before it freed, and each page
    # that comes anew from the kernel is first filled with zeros.
    MALLOC_MMAP_MAX_='0',
    MALLOC_TRIM_THRESHOLD_=str(2**62),
)


def restart_with_settings() -> None:
    """Start this program anew with `PROCESS_SETTINGS`, where the user has not set them."""
    missing = PROCESS_SETTINGS.keys() - os.environ
    if missing:
        os.environ.update({name: PROCESS_SETTINGS[name] for name in missing})
        os.execv(sys.executable, sys.orig_argv)


@contextmanager
def user_errors(interrupted: str = 'interrupted') -> Iterator[None]:
    """Turn what a user can mend into one line on stderr and exit status 1.

    Args:
        interrupted: What to say after Ctrl-C.
    """
    try:
        yield
    except BrokenPipeError:  # the reader of the output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (UserError, OSError, AnnotationError, SettingError) as error:
        sys.exit(f'error: {error}')
    except (UnreadableImageError, UnreadableVideoError) as error:
        # From a loading worker, torch puts the worker's traceback before the message.
        line = str(error).strip().splitlines()[-1]
        name = f'{type(error).__module__}.{type(error).__name__}: '
        sys.exit(f'error: {line.removeprefix(name)}')
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        sys.exit(130)


def check_out(path: str, ending: str) -> None:
    """Make the folder of a result. Raises UserError for another ending, a folder of that name."""
    if not path.endswith(ending):
        raise UserError(f'--out {path}: the ending must be {ending}')
    if os.path.isdir(path):
        raise UserError(f'--out {path} is a folder')
    Path(path).parent.mkdir(parents=True, exist_ok=True)


class ConfigOptions(DictAction):
    """MMEngine's KEY=VALUE options, with a usage error for what is not of that form."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Parse the values, as argparse calls it."""
        for value in values:
            if '=' not in value:
                parser.error(f'{option_string} takes KEY=VALUE, not {value}')
        super().__call__(parser, namespace, values, option_string)


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


def load_config(args: argparse.Namespace) -> Config:
    """The config with the common options merged in.

    Raises UserError for a missing or broken config file and for options it cannot take.
    """
    if not os.path.isfile(args.config):
        raise UserError(f'config file {args.config} does not exist')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    try:
        cfg = Config.fromfile(args.config)
        remove_scope(cfg._cfg_dict)
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
            check_options(cfg, args.cfg_options)
            cfg.merge_from_dict(args.cfg_options)
    except (SyntaxError, KeyError, TypeError, ImportError, OSError) as error:
        raise UserError(f'{args.config}: {error}') from error
    return cfg


def remove_scope(value: object) -> None:
    """Take off the scope that `_base_ = 'mmcoca::...'` adds: our configs do without.

    MMEngine would hand it to collate_fn as an argument.
    """
    if isinstance(value, dict):
        if value.get('_scope_') == 'mmcoca':
            del value['_scope_']
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            remove_scope(item)


def check_options(cfg: Config, options: Iterable[str]) -> None:
    """Raise UserError for an option that neither the config nor MMEngine knows.

    Nor may it be a variable with which the config has written other settings: they would stay.
    """
    read_by_mmengine = {*inspect.signature(Runner).parameters, *READ_FROM_CONFIG_ALONE}
    known = {*cfg, *read_by_mmengine}
    values = dict(leaves(cfg._cfg_dict))
    for key in options:
        name = key.split('.')[0]
        if name not in known:
            similar = difflib.get_close_matches(name, known, n=1)
            hint = f": did you mean '{similar[0]}'?" if similar else ''
            raise UserError(f"{cfg.filename} has no '{name}' to set{hint}")
        is_variable = name not in read_by_mmengine
        if is_variable and type(values.get(key)) in (str, int, float):
            places = [
                place for place, value in values.items()
                if value == values[key] and place.split('.')[0] in read_by_mmengine
            ]
            if places:
                raise UserError(
                    f"{cfg.filename}: '{key}' is a variable, whose value stands in "
                    f"{', '.join(places)}: set those"
                )


def leaves(settings: object, path: str = '') -> Iterator[tuple[str, object]]:
    """Dotted name and value of each setting that is no dictionary or list itself."""
    if isinstance(settings, dict):
        items = settings.items()
    elif isinstance(settings, (list, tuple)):
        items = enumerate(settings)
    else:
        yield path, settings
        return
    for key, item in items:
        yield from leaves(item, f'{path}.{key}' if path else key)


@contextmanager
def config_errors(cfg: Config) -> Iterator[None]:
    """Turn what MMEngine raises while it builds from a config into a UserError."""
    try:
        yield
    except (AnnotationError, OSError):
        raise
    except (AssertionError, KeyError, RuntimeError, TypeError, ValueError) as error:
        files = files_being_read(error)
        if files:
            reason = f'{type(error).__name__} {error}'.strip()
            raise UserError(
                f'{cfg.filename}: {files}: not as the data set needs it: {reason}'
            ) from error
        if isinstance(error, RuntimeError):
            raise
        hint = ''
        if 'is not in the mmpretrain::dataset registry' in str(error) and not WITH_MULTIMODAL:
            hint = ' Data sets of image and text need transformers: pip install "mmcoca[tasks]"'
        raise UserError(
            f'{cfg.filename}: {error.args[0] if error.args else error}{hint}'
        ) from error


def files_being_read(error: Exception) -> str:
    """The annotation files of the data set in whose loading an error arose, or nothing."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == 'full_init':  # of MMEngine's BaseDataset
            dataset = frame.f_locals['self']
            files = [getattr(dataset, name, '') for name in ('ann_file', 'question_file')]
            return ' and '.join(filter(None, files)) or dataset.data_root
    return ''


def build_runner(cfg: Config) -> Runner:
    """The runner of a config. Raises UserError where its parts contradict each other."""
    with config_errors(cfg):
        return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)


def build_training(cfg: Config) -> Runner:
    """A runner whose training data are loaded and, in a plain Runner, whose optimizer is built.

    Raises UserError as `build_runner` does, for data that do not fill one batch, and for a batch of
    one pair where the model has a batch norm.
    """
    if cfg.get('train_cfg') is None:
        raise UserError(f'{cfg.filename} trains nothing: it is for tools/test.py')
    runner = build_runner(cfg)
    with config_errors(cfg):
        loader = runner.train_loop.dataloader
        if isinstance(runner, Runner):  # a FlexibleRunner leaves it to its strategy
            runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    if len(loader) == 0:
        raise UserError(
            f'{cfg.filename}: {len(loader.dataset)} training pairs do not fill one batch of '
            f'{loader.batch_size}: lower train_dataloader.batch_size'
        )
    size = loader.batch_size  # None with a batch sampler, which alone knows its sizes
    one_left = size and not loader.drop_last and len(loader.sampler) % size == 1
    if (size == 1 or one_left) and has_batch_norm(runner.model):
        raise UserError(
            f"{cfg.filename}: a batch of one pair, but the model's batch norm (in the tiny model "
            'contrastive_head.norm_cfg) needs two: change train_dataloader.batch_size, or set '
            'train_dataloader.drop_last=True'
        )
    return runner


def build_testing(cfg: Config) -> Runner:
    """A runner whose test data are loaded. Raises UserError as `build_runner` does."""
    runner = build_runner(cfg)
    with config_errors(cfg):
        runner.test_loop  # MMEngine builds it when it is first asked for
    return runner

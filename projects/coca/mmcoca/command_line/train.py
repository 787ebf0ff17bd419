# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Train a model from a config."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmcoca.shipped_files import local_path
from mmcoca.weights import (
    check_resumable,
    check_some_weights,
    find_checkpoint,
    find_resumable,
    finished,
    what_is_kept,
)

from .configs import load_config, part_of
from .errors import user_errors
from .options import add_common_arguments, program_name
from .processes import join_processes
from .runners import build_training


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description='Train a model.',
        epilog=f'example: {program_name()} configs/coca/coca_tiny_emoji.py --work-dir /tmp/run '
        '--cfg-options train_cfg.max_epochs=2',
    )
    add_common_arguments(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from a checkpoint; without a value, from the last in the work directory',
    )
    parser.add_argument(
        '--resume-schedule',
        choices=['checkpoint', 'config'],
        default='checkpoint',
        help='whose learning rate and schedule go on (default: those of the checkpoint)'
    )
    parser.add_argument('--no-validate', action='store_true', help='do not evaluate while training')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help="scale the learning rate by batch size over the config's base batch size",
    )
    parser.add_argument(
        '--no-persistent-workers',
        action='store_true',
        help='start loading workers anew each epoch'
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Build the runner and train."""
    args = parse_args(argv)
    resumption = 'interrupted; with --resume it goes on from its last checkpoint, if one was saved'
    with user_errors(resumption):
        cfg = load_config(args)
        if args.no_validate:
            cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
        if args.amp:
            optim_wrapper = part_of(cfg, 'optim_wrapper', '--amp')
            if torch.cuda.is_available():
                optim_wrapper.type = 'AmpOptimWrapper'
                optim_wrapper.setdefault('loss_scale', 'dynamic')
            else:
                optim_wrapper.type = 'mmcoca.BFloat16OptimWrapper'
        join_processes(cfg)
        begins_anew = not choose_checkpoint(cfg, args.resume)
        if args.auto_scale_lr:
            part_of(cfg, 'auto_scale_lr', '--auto-scale-lr').enable = True
        if args.no_persistent_workers:
            loader = part_of(cfg, 'train_dataloader', '--no-persistent-workers')
            loader.persistent_workers = False
        runner = build_training(cfg)
        if os.path.isfile(cfg.get('load_from') or ''):
            if not cfg.get('resume'):
                check_some_weights(cfg.load_from, runner.model)
            elif done := finished(cfg.load_from, cfg.train_cfg):
                print_log(f'{cfg.load_from} has {done}: there is nothing left to train', 'current')
                return
            elif isinstance(runner, Runner):  # a FlexibleRunner builds its parts when it trains
                check_resumed(cfg.load_from, runner, args.resume_schedule == 'config')
        if begins_anew:
            message = f'there is no checkpoint in {cfg.work_dir} yet: training begins anew'
            print_log(message, 'current', logging.WARNING)
        runner.train()


def check_resumed(path: str, runner: Runner, takes_schedule_of_config: bool) -> None:
    """Say what of a checkpoint goes on. Raises UserError where it does not fit the runner."""
    num_schedulers = None
    if takes_schedule_of_config:
        runner.register_hook(dict(type='mmcoca.ConfigScheduleHook'))
    elif isinstance(runner.param_schedulers, list):
        num_schedulers = len(runner.param_schedulers)
    check_resumable(path, runner.model, runner.optim_wrapper, num_schedulers)
    print_log(what_is_kept(path, runner.optim_wrapper, takes_schedule_of_config), 'current')


def choose_checkpoint(cfg: Config, resume: str | None) -> bool:
    """Set which file is resumed or loaded from, as --resume and the config say.

    Returns whether a resumption that is wanted has something to go on from.

    Raises UserError for one that cannot be read.
    """
    if resume is None and cfg.get('resume') and not cfg.get('load_from'):
        resume = 'auto'
    if resume is None:
        found = None
    elif resume == 'auto':
        found = find_resumable(cfg.work_dir)
        cfg.resume = found is not None
    else:
        found = find_resumable(resume) if os.path.isdir(resume) else None
        found = found or find_checkpoint(resume)
        cfg.resume = True
    if found is not None:
        cfg.load_from = found
    elif cfg.get('load_from'):
        cfg.load_from = local_path(cfg.load_from)
        if '://' not in cfg.load_from:
            cfg.load_from = find_checkpoint(cfg.load_from)
    return found is not None or resume is None

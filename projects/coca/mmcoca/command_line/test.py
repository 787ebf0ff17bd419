# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Evaluate a checkpoint as a config says."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

import mmengine
from mmengine.dist import is_main_process
from mmengine.evaluator import DumpResults

from mmcoca.apis.model import config_of_training
from mmcoca.errors import UserError
from mmcoca.weights import check_checkpoint, find_checkpoint

from .configs import load_config
from .errors import user_errors
from .options import add_common_arguments, program_name
from .processes import join_processes
from .runners import build_testing


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description='Evaluate a checkpoint.',
        epilog=f'example: {program_name()} configs/coca/coca_tiny_emoji.py '
        'work_dirs/coca_tiny_emoji --out metrics.json --out-item metrics',
    )
    add_common_arguments(parser)
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help='checkpoint file, or a work directory for its last one; none where a work directory '
        'stands in place of the config'
    )
    parser.add_argument('--out', help='file to write: .pkl; metrics also as .json, .yaml')
    parser.add_argument(
        '--out-item', choices=['metrics', 'pred'], help='what to write there (default: pred, .pkl)'
    )
    parser.add_argument('--show-dir', help='folder for pictures of the predictions')
    parser.add_argument('--show', action='store_true', help='show the predictions in a window')
    args = parser.parse_intermixed_args(argv)  # options may stand between the two
    if args.checkpoint is None and not os.path.isdir(args.config):
        what = 'is no work directory' if os.path.exists(args.config) else 'does not exist'
        parser.error(f'{args.config} {what}: name a work directory, or a config and a checkpoint')
    if args.out_item is not None and args.out is None:
        parser.error('--out-item needs --out')
    endings = ('.pkl', '.pickle')
    if args.out_item == 'metrics':
        endings += ('.json', '.yaml', '.yml')
    if args.out is not None and not args.out.endswith(endings):
        parser.error(f'--out {args.out}: the ending must be one of {", ".join(endings)}')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Build the runner and test."""
    args = parse_args(argv)
    with user_errors():
        if args.checkpoint is None:
            args.checkpoint, args.config = args.config, str(config_of_training(args.config))
        cfg = load_config(args)
        if cfg.get('test_cfg') is None:
            raise UserError(f'{cfg.filename} has no test_cfg: it is for tools/train.py')
        cfg.load_from = find_checkpoint(args.checkpoint)
        if args.amp:
            cfg.test_cfg.fp16 = True
        if args.show or args.show_dir:
            if 'visualization' not in (cfg.get('default_hooks') or {}):
                raise UserError(f'{args.config}: --show needs a visualization hook')
            cfg.default_hooks.visualization.update(
                enable=True, show=args.show, out_dir=args.show_dir
            )
        join_processes(cfg)
        runner = build_testing(cfg)
        check_checkpoint(cfg.load_from, runner.model)
        if args.out and args.out_item != 'metrics':
            runner.test_evaluator.metrics.append(DumpResults(out_file_path=args.out))
        metrics = runner.test()
        if args.out and args.out_item == 'metrics' and is_main_process():
            mmengine.dump(metrics, args.out)

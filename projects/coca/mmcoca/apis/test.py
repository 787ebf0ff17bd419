# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Evaluate a checkpoint as a config says.

Where only the package is installed: python -m mmcoca.apis.test
"""

from __future__ import annotations

import argparse

import mmengine
from mmengine.evaluator import DumpResults

from mmcoca.errors import UserError

from .checkpoints import check_checkpoint, find_checkpoint
from .command_line import (
    add_common_arguments,
    build_testing,
    load_config,
    restart_with_settings,
    user_errors,
)


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description='Evaluate a checkpoint.',
        epilog='example: python tools/test.py configs/coca/coca_tiny_emoji.py '
        'work_dirs/coca_tiny_emoji --out metrics.json --out-item metrics',
    )
    add_common_arguments(parser)
    parser.add_argument('checkpoint', help='checkpoint file, or a work directory for its last one')
    parser.add_argument('--out', help='file to write: .pkl; metrics also as .json, .yaml')
    parser.add_argument(
        '--out-item', choices=['metrics', 'pred'], help='what to write there (default: pred, .pkl)'
    )
    parser.add_argument('--show-dir', help='folder for pictures of the predictions')
    parser.add_argument('--show', action='store_true', help='show the predictions in a window')
    args = parser.parse_args()
    if args.out_item is not None and args.out is None:
        parser.error('--out-item needs --out')
    endings = ('.pkl', '.pickle')
    if args.out_item == 'metrics':
        endings += ('.json', '.yaml', '.yml')
    if args.out is not None and not args.out.endswith(endings):
        parser.error(f'--out {args.out}: the ending must be one of {", ".join(endings)}')
    return args


def main() -> None:
    """Build the runner and test."""
    args = parse_args()
    with user_errors():
        cfg = load_config(args)
        cfg.load_from = find_checkpoint(args.checkpoint)
        if args.amp:
            cfg.test_cfg.fp16 = True
        if args.show or args.show_dir:
            if 'visualization' not in cfg.default_hooks:
                raise UserError(f'{args.config}: --show needs a visualization hook')
            cfg.default_hooks.visualization.update(
                enable=True, show=args.show, out_dir=args.show_dir
            )
        runner = build_testing(cfg)
        check_checkpoint(cfg.load_from, runner.model)
        if args.out and args.out_item != 'metrics':
            runner.test_evaluator.metrics.append(DumpResults(out_file_path=args.out))
        metrics = runner.test()
        if args.out and args.out_item == 'metrics':
            mmengine.dump(metrics, args.out)


if __name__ == '__main__':
    restart_with_settings()
    main()

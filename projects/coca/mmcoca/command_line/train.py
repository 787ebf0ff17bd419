# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Train a model from a config."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch

from mmcoca.weights import check_some_weights, find_checkpoint

from .configs import load_config
from .errors import user_errors
from .options import add_common_arguments
from .runners import build_training


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description='Train a model.',
        epilog='example: python tools/train.py configs/coca/coca_tiny_emoji.py --work-dir /tmp/run '
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
    resumption = 'interrupted; from a checkpoint, if one was saved, train.py goes on with --resume'
    with user_errors(resumption):
        cfg = load_config(args)
        if args.no_validate:
            cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
        if args.amp:
            if torch.cuda.is_available():
                cfg.optim_wrapper.type = 'AmpOptimWrapper'
                cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
            else:
                cfg.optim_wrapper.type = 'mmcoca.BFloat16OptimWrapper'
        if args.resume is not None:
            cfg.resume = True
            cfg.load_from = None if args.resume == 'auto' else find_checkpoint(args.resume)
        elif cfg.get('load_from') and '://' not in cfg.load_from:
            cfg.load_from = find_checkpoint(cfg.load_from)
        if args.auto_scale_lr:
            cfg.auto_scale_lr.enable = True
        if args.no_persistent_workers:
            cfg.train_dataloader.persistent_workers = False
        runner = build_training(cfg)
        if cfg.get('load_from') and '://' not in cfg.load_from:
            check_some_weights(cfg.load_from, runner.model)
        runner.train()

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What the tools that run a model on images or texts share: their options, and the model."""

from __future__ import annotations

import argparse
import os

import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmcoca.apis import load_model
from mmcoca.errors import MissingFileError, UserError
from mmcoca.models import CoCa

from .errors import config_errors, program_errors
from .options import ConfigOptions, check_options, positive


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of every tool that runs a model on images or texts."""
    parser.add_argument('config', help='config file of the model')
    parser.add_argument('checkpoint', help='checkpoint file, or a work directory for its last one')
    parser.add_argument('--device', help='cpu, cuda, cuda:1, ...; a GPU where there is one')
    parser.add_argument(
        '--batch-size', type=positive, default=16, help='images or texts at a time (16)'
    )
    parser.add_argument(
        '--num-workers',
        type=int,
        default=0,
        help='processes that read images beside the model (0)'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help='override settings of the config, e.g. model.tokenizer.vocab_file=tokenizer.json',
    )


def load_model_of(args: argparse.Namespace) -> CoCa:
    """The model that these options name. Raises UserError for what a user can mend."""
    if not os.path.isfile(args.config):
        raise MissingFileError.of('config file', args.config)
    with program_errors(args.config):
        cfg = Config.fromfile(args.config)
        check_options(cfg, args.cfg_options or {})
        cfg.merge_from_dict(args.cfg_options or {})
    if cfg.get('test_dataloader') is None:
        raise UserError(f'{args.config} has no test_dataloader: is it a complete config?')
    init_default_scope('mmpretrain')
    check_device(args.device)
    with config_errors(cfg):
        Compose(cfg.test_dataloader.dataset.pipeline)
        return load_model(cfg, args.checkpoint, args.device)


def check_device(name: str | None) -> None:
    """Raise UserError for a device that is not there."""
    try:
        torch.empty(0, device=name)
    except (AssertionError, RuntimeError) as error:
        raise UserError(f'--device {name}: {str(error).splitlines()[0]}') from error

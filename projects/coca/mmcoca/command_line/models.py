# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What the tools that run a model on images or texts share: their options, and the model."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from difflib import get_close_matches

import torch
from mmcv.transforms import Compose
from mmengine.registry import init_default_scope

from mmcoca.apis import config_and_weights, load_model
from mmcoca.errors import MissingFileError, UserError, first_line
from mmcoca.models import CoCa
from mmcoca.shipped_files import shipped_models

from .errors import config_errors, program_errors
from .options import ConfigOptions, check_options, not_negative, positive

CHECKPOINT_ENDINGS = ('.pth', '.pt', '.bin', '.safetensors')


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of every tool that runs a model on images or texts."""
    parser.add_argument(
        'config',
        help='config file, or alone: a work directory of train.py, or the name of a model whose '
        'weights come with the package'
    )
    parser.add_argument(
        'checkpoint', nargs='?', help='checkpoint file, or a work directory for its last one'
    )
    parser.add_argument('--device', help='cpu, cuda, cuda:1, ...; a GPU where there is one')
    parser.add_argument(
        '--batch-size', type=positive, default=16, help='images or texts at a time (16)'
    )
    parser.add_argument(
        '--num-workers',
        type=not_negative,
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


def parse_model_arguments(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> argparse.Namespace:
    """Parse a command line with these options, which may stand anywhere between the others."""
    return parser.parse_intermixed_args(argv)


def load_model_of(args: argparse.Namespace) -> CoCa:
    """The model that these options name. Raises UserError for what a user can mend."""
    if args.config not in shipped_models():
        check_config_path(args.config)
    with program_errors(args.config):
        cfg, weights = config_and_weights(args.config)
        check_options(cfg, args.cfg_options or {})
        cfg.merge_from_dict(args.cfg_options or {})
    if cfg.get('test_dataloader') is None:
        raise UserError(f'{args.config} has no test_dataloader: is it a complete config?')
    init_default_scope('mmpretrain')
    check_device(args.device)
    with config_errors(cfg):
        Compose(cfg.test_dataloader.dataset.pipeline)
        model = load_model(cfg, args.checkpoint or weights, args.device)
    if not isinstance(model, CoCa):
        raise UserError(
            f'{args.config}: a {type(model).__name__} neither captions nor embeds; '
            'mmpretrain.ImageClassificationInferencer runs classifiers'
        )
    return model


def check_config_path(path: str) -> None:
    """Raise UserError for what is neither a config nor a work directory."""
    if '::' in path:
        return
    if not os.path.exists(path):
        (near, *_) = [*get_close_matches(path, shipped_models()), None]
        if near:
            raise UserError(f'{path} does not exist: did you mean the model {near}?')
        raise MissingFileError.of('config file', path)
    if path.endswith(CHECKPOINT_ENDINGS):
        raise UserError(
            f'{path} is no config: name its work directory alone, or a config before it'
        )


def check_device(name: str | None) -> None:
    """Raise UserError for a device that is not there."""
    try:
        torch.empty(0, device=name)
    except (AssertionError, RuntimeError) as error:
        raise UserError(f'--device {name}: {first_line(error)}') from error

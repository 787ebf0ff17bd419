# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A model with its weights and its config, for inference."""

from __future__ import annotations

import argparse
import hashlib
import os

import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from mmpretrain import get_model

from mmcoca.errors import UserError
from mmcoca.models import CoCa

from .checkpoints import check_checkpoint, find_checkpoint
from .command_line import ConfigOptions, check_options, config_errors


def load_model(config: str | Config, checkpoint: str, device: str | None = None) -> CoCa:
    """A config's model with the weights of a checkpoint, or of a work directory's last one.

    It is in evaluation mode and keeps its config, as mmpretrain's inferencers want it.

    Raises UserError for a checkpoint that is none or of another model.
    """
    cfg = Config.fromfile(config) if isinstance(config, str) else config
    path = find_checkpoint(checkpoint)
    with config_errors(cfg):
        model = get_model(cfg)
    check_checkpoint(path, model)
    load_checkpoint(model, path, map_location='cpu', logger='silent')
    return model.to(device or ('cuda' if torch.cuda.is_available() else 'cpu'))


def weights_mark(model: CoCa) -> str:
    """A short mark of a model's weights, from the names, shapes and first values of all tensors."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(f'{name} {tuple(tensor.shape)}'.encode())
        values = tensor.flatten()[:256].cpu().contiguous()
        digest.update(values.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def positive(text: str) -> int:
    """A number of the command line that is 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{value} is less than 1')
    return value


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
        raise UserError(f'config file {args.config} does not exist')
    try:
        cfg = Config.fromfile(args.config)
        check_options(cfg, args.cfg_options or {})
        cfg.merge_from_dict(args.cfg_options or {})
        init_default_scope('mmpretrain')
        Compose(cfg.test_dataloader.dataset.pipeline)
    except AttributeError as error:
        raise UserError(
            f'{args.config} has no test_dataloader: is it a complete config?'
        ) from error
    except (SyntaxError, KeyError, TypeError, ImportError, OSError) as error:
        raise UserError(f'{args.config}: {error}') from error
    try:
        return load_model(cfg, args.checkpoint, args.device)
    except RuntimeError as error:  # a device that is not there
        raise UserError(f'--device {args.device}: {str(error).splitlines()[0]}') from error

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The config of a training or a test, with the options of the command line."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict

from mmcoca.composition import remove_scope
from mmcoca.config_files import read_config
from mmcoca.errors import UserError

from .errors import program_errors
from .options import check_options


def load_config(args: argparse.Namespace) -> Config:
    """The config with the common options merged in.

    Raises UserError for a missing or broken config file and for options it cannot take.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    with program_errors(args.config):
        cfg = read_config(args.config)
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
    return cfg


def part_of(cfg: Config, name: str, option: str) -> ConfigDict:
    """A part of a config that an option of the command line changes.

    Raises UserError for a config without it.
    """
    part = cfg.get(name)
    if part is None:
        raise UserError(f'{cfg.filename} has no {name}, which {option} is about')
    return part

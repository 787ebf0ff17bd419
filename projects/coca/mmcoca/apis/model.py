# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A model with its weights and its config, for inference."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from mmpretrain import get_model
from mmpretrain.apis import ModelHub

from mmcoca.config_files import read_config
from mmcoca.errors import UserError
from mmcoca.models import CoCa
from mmcoca.shipped_files import shipped_models, shipped_weights
from mmcoca.weights import check_checkpoint, find_checkpoint


def load_model(
    config: str | Config, checkpoint: str | None = None, device: str | None = None
) -> CoCa:
    """A config's model with the weights of a checkpoint, or of a work directory's last one.

    It is in evaluation mode and keeps its config, as mmpretrain's inferencers want it.

    Args:
        config: A config, its file (or mmcoca::coca/… for one of the package), a work directory that
            train.py left, or the name of a model whose weights come with the package.
        checkpoint: None: the work directory's last, or the shipped weights.

    Example:
        >>> load_model('coca_small_icons')
        >>> load_model('work_dirs/coca_tiny_icons')
        >>> load_model('configs/coca/coca_tiny_icons.py', 'my_weights.safetensors')

    Raises UserError for a name or a config without weights, and for a checkpoint that is none or of
    another model.
    """
    cfg, own_weights = config_and_weights(config)
    if checkpoint is None and own_weights is None:
        raise UserError(
            f'{cfg.filename or "this config"} needs a checkpoint; models whose weights come with '
            f'mmcoca: {", ".join(shipped_models()) or "none"}'
        )
    path = find_checkpoint(checkpoint or own_weights)
    model = get_model(cfg)
    check_checkpoint(path, model)
    load_checkpoint(model, path, map_location='cpu', logger='silent')
    return model.to(device or ('cuda' if torch.cuda.is_available() else 'cpu'))


def config_and_weights(config: str | Config) -> tuple[Config, str | None]:
    """A config, its file, a work directory or a shipped model's name -> the config, and where the
    weights of the last two are.
    """
    if isinstance(config, Config):
        return config, None
    if config in shipped_models():
        return ModelHub.get(config).config, shipped_weights(config)
    if os.path.isdir(config):
        return Config.fromfile(config_of_training(config)), config
    return read_config(config), None


def config_of_training(work_dir: str) -> Path:
    """The config that train.py left in a work directory. Raises UserError for none or several."""
    configs = sorted(Path(work_dir).glob('*.py'))
    if len(configs) != 1:
        names = ', '.join(path.name for path in configs) or 'no config'
        raise UserError(f'{work_dir} holds {names}: name a config file, then this folder')
    return configs[0]

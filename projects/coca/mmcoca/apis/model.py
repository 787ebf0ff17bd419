# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A model with its weights and its config, for inference."""

from __future__ import annotations

import torch
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from mmpretrain import get_model
from mmpretrain.apis import ModelHub

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
        config: A config, its file, or the name of a model whose weights come with the package.
        checkpoint: None: the shipped weights.

    Example:
        >>> load_model('coca_small_icons')
        >>> load_model('configs/coca/coca_tiny_emoji.py', 'work_dirs/coca_tiny_emoji')

    Raises UserError for a name or a config without weights, and for a checkpoint that is none or of
    another model.
    """
    cfg, shipped = config_and_weights(config)
    if checkpoint is None and shipped is None:
        raise UserError(
            f'{cfg.filename or "this config"} needs a checkpoint; models whose weights come with '
            f'mmcoca: {", ".join(shipped_models()) or "none"}'
        )
    path = find_checkpoint(checkpoint or shipped)
    model = get_model(cfg)
    check_checkpoint(path, model)
    load_checkpoint(model, path, map_location='cpu', logger='silent')
    return model.to(device or ('cuda' if torch.cuda.is_available() else 'cpu'))


def config_and_weights(config: str | Config) -> tuple[Config, str | None]:
    """A config, its file or a shipped model's name -> the config, the shipped weights if it is one.
    """
    if isinstance(config, Config):
        return config, None
    if config in shipped_models():
        return ModelHub.get(config).config, shipped_weights(config)
    return Config.fromfile(config), None

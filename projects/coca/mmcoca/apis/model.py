# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A model with its weights and its config, for inference."""

from __future__ import annotations

import torch
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from mmpretrain import get_model

from mmcoca.models import CoCa
from mmcoca.weights import check_checkpoint, find_checkpoint


def load_model(config: str | Config, checkpoint: str, device: str | None = None) -> CoCa:
    """A config's model with the weights of a checkpoint, or of a work directory's last one.

    It is in evaluation mode and keeps its config, as mmpretrain's inferencers want it.

    Raises UserError for a checkpoint that is none or of another model.
    """
    cfg = Config.fromfile(config) if isinstance(config, str) else config
    path = find_checkpoint(checkpoint)
    model = get_model(cfg)
    check_checkpoint(path, model)
    load_checkpoint(model, path, map_location='cpu', logger='silent')
    return model.to(device or ('cuda' if torch.cuda.is_available() else 'cpu'))

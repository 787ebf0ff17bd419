# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A mark by which files that a model made know its weights again."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def weights_mark(model: nn.Module) -> str:
    """A short mark of a model's weights, from the names, shapes and first values of all tensors."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(f'{name} {tuple(tensor.shape)}'.encode())
        values = tensor.flatten()[:256].cpu().contiguous()
        digest.update(values.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]

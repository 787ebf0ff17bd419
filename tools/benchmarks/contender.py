# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What is compared: the same work of each library, each in a process of its own."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

LEARNING_RATE = 1e-4
WEIGHT_DECAY = 0.2  # open_clip's default; none of what has fewer than two dimensions


class Contender(Protocol):
    """A library's CoCa, as its own users would train it."""

    model: nn.Module

    def losses(self, images: Tensor, captions: Sequence[str]) -> dict[str, Tensor]:
        """Weighted losses by name, of images (B,3,height,width)."""

    def encode_images(self, images: Tensor) -> Tensor:
        """Embeddings (B,E)."""

    def encode_texts(self, captions: Sequence[str]) -> Tensor:
        """Embeddings (B,E)."""

    def compile(self) -> None:
        """torch.compile, as the library's trainer does it."""

    def generate(self, images: Tensor, method: str, length: int, **options: Any) -> Any:
        """Captions of `length` tokens each, start and end included; method: '6 beams', 'sampling'
        among the 50 best, or 'greedy'.
        """


def optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    """Fused AdamW."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        dict(params=[p for p in parameters if p.ndim >= 2], weight_decay=WEIGHT_DECAY),
        dict(params=[p for p in parameters if p.ndim < 2], weight_decay=0.0),
    ]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.98), fused=True)


def training_step(model: nn.Module, losses: Callable[..., dict]) -> Callable[..., float]:
    """A whole step: losses, backward pass and optimizer; takes what `losses` takes -> the loss."""
    optimizer = optimizer_of(model)

    def step(*inputs: Any) -> float:
        optimizer.zero_grad()
        loss = sum(losses(*inputs).values())
        loss.backward()
        optimizer.step()
        return loss.item()

    return step

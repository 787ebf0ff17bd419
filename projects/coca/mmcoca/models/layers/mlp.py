# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The feed-forward part of a transformer layer."""

from torch import nn


class MLP(nn.Sequential):
    """Linear, GELU, Linear: (...,D) -> (...,D)."""

    def __init__(self, dims: int, hidden_dims: int, dropout: float = 0.0) -> None:
        super().__init__(
            nn.Linear(dims, hidden_dims),
            nn.GELU(),
            nn.Linear(hidden_dims, dims),
            nn.Dropout(dropout),
        )

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A convolutional patch embedding for small data and short training."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from mmcoca.registry import MODELS


@MODELS.register_module()
class ConvStem(nn.Sequential):
    """3x3 convolutions in place of a linear patch embedding (arXiv 2106.14881).

    Images (B,3,height,width) -> (B,W,height/stride,width/stride). Each convolution ends in a
    GroupNorm of 8 groups and, but for the last, in a ReLU.

    Args:
        out_channels: The encoder's width.
        channels: Of the convolutions before the last.
        strides: One for each convolution, the last included.

    Attributes:
        stride: Pixels a token, the product of the strides.

    Raises ValueError if the strides are not one more than the channels, or for channels that do
    not divide into the groups.
    """

    def __init__(
        self,
        out_channels: int,
        channels: Sequence[int] = (32, 64),
        strides: Sequence[int] = (1, 2, 2),
    ) -> None:
        if len(strides) != len(channels) + 1:
            raise ValueError(
                f'{len(strides)} strides for {len(channels)} channels and the encoder\'s width: '
                f'there must be {len(channels) + 1}'
            )
        layers = []
        width = 3
        for next_width, stride in zip([*channels, out_channels], strides):
            layers += [
                nn.Conv2d(width, next_width, 3, stride, padding=1, bias=False),
                nn.GroupNorm(8, next_width),
                nn.ReLU(inplace=True),
            ]
            width = next_width
        super().__init__(*layers[:-1])
        self.stride = math.prod(strides)

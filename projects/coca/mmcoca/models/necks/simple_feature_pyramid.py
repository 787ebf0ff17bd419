# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Maps of several scales for a detector, from the one of a plain encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from mmpretrain.models.utils import LayerNorm2d
from torch import Tensor, nn

from mmcoca.registry import MODELS

SCALES = (4, 2, 1, 0.5)
OUT_CHANNELS = 256
NUM_OUTS = 5


@MODELS.register_module()
class SimpleFeaturePyramid(BaseModule):
    """ViTDet's (arXiv 2203.16527, section 3): each scale from the encoder's last map alone.

    A tuple whose last is (B,W,height,width) -> a tuple of (B,C,height*scale,width*scale) for each
    scale, then the coarser ones that `num_outs` asks for.

    Args:
        in_channels: W.
        out_channels: C, 256 in ViTDet.
        scales: 4 and 2 (transposed convolutions), 1, and 0.5 (max pooling).
        num_outs: Each more than the scales is every second place of the one before.

    Raises ValueError for another scale, and for fewer outputs than scales.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = OUT_CHANNELS,
        scales: Sequence[float] = SCALES,
        num_outs: int = NUM_OUTS,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if num_outs < len(scales):
            raise ValueError(f'num_outs={num_outs} of {len(scales)} scales')
        self.num_more = num_outs - len(scales)
        self.branches = nn.ModuleList(
            nn.Sequential(*branch_of(in_channels, out_channels, scale)) for scale in scales
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Maps of the encoder, the last of which is read -> the maps of all scales."""
        maps = [branch(inputs[-1]) for branch in self.branches]
        for _ in range(self.num_more):
            maps.append(F.max_pool2d(maps[-1], 1, stride=2))
        return tuple(maps)


def strides_of(patch_size: int,
               scales: Sequence[float] = SCALES,
               num_outs: int = NUM_OUTS) -> list[float]:
    """Pixels of the image between two places of each map of a pyramid."""
    strides = [patch_size / scale for scale in scales]
    return strides + [strides[-1] * 2**(1 + more) for more in range(num_outs - len(scales))]


def branch_of(channels: int, out_channels: int, scale: float) -> list[nn.Module]:
    """The modules that make a map of `channels` so many times as large, with `out_channels`."""
    half, quarter = channels // 2, channels // 4
    if scale == 4:
        resize = [
            nn.ConvTranspose2d(channels, half, 2, stride=2),
            LayerNorm2d(half),
            nn.GELU(),
            nn.ConvTranspose2d(half, quarter, 2, stride=2),
        ]
        channels = quarter
    elif scale == 2:
        resize = [nn.ConvTranspose2d(channels, half, 2, stride=2)]
        channels = half
    elif scale == 1:
        resize = []
    elif scale == 0.5:
        resize = [nn.MaxPool2d(2)]
    else:
        raise ValueError(f'scale {scale}: use 4, 2, 1 or 0.5')
    return [
        *resize,
        nn.Conv2d(channels, out_channels, 1, bias=False),
        LayerNorm2d(out_channels),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        LayerNorm2d(out_channels),
    ]

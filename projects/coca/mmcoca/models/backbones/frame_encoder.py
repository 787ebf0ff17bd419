# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The image encoder over the frames of a video."""

from __future__ import annotations

from torch import Tensor

from mmcoca.registry import MODELS

from .coca_vit import CoCaViT


@MODELS.register_module()
class FrameEncoder(CoCaViT):
    """CoCaViT, with its weights, that encodes each of the F frames of a clip by itself.

    Clips (B,F,3,height,width) -> a tuple of one (B,F*N,W), the tokens of all frames in their order;
    nothing tells the frames apart, as in the paper (section 3.3, "CoCa for Video Action
    Recognition").

    Args:
        **kwargs: As in CoCaViT.

    Raises ValueError for an `out_type` other than 'raw'.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.out_type != 'raw':
            raise ValueError(f"FrameEncoder's out_type is 'raw', not '{self.out_type}'")

    def forward(self, clips: Tensor) -> tuple[Tensor, ...]:
        """Encode all frames as one batch of images."""
        frames = super().forward(clips.flatten(0, 1))
        return tuple(tokens.unflatten(0, clips.shape[:2]).flatten(1, 2) for tokens in frames)

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Classification by an image encoder, which may be frozen (paper section 3.3)."""

from __future__ import annotations

from mmpretrain.models import ImageClassifier
from torch import nn

from mmcoca.registry import MODELS

from ..parts import build_part, freeze

CHANNELS_A_HEAD = 64


@MODELS.register_module()
class EncoderClassifier(ImageClassifier):
    """mmpretrain's ImageClassifier whose neck and head take their widths from the encoder.

    What their configs leave out is filled in: a pooler's `memory_dims` and `dims` are the encoder's
    `embed_dims`, its heads 64 channels wide; a linear head's `in_channels` are the neck's `dims`,
    or the encoder's.

    Args:
        backbone, neck, head, kwargs: As in ImageClassifier.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        neck: dict | nn.Module | None = None,
        head: dict | nn.Module | None = None,
        **kwargs,
    ) -> None:
        known = {}
        if not isinstance(backbone, nn.Module):
            backbone = build_part('backbone', MODELS, backbone)
        if width := getattr(backbone, 'embed_dims', None):
            known = dict(dims=width, memory_dims=width, num_heads=max(width // CHANNELS_A_HEAD, 1))
        if not isinstance(neck, nn.Module):
            neck = build_part('neck', MODELS, neck, **known)
        if width := getattr(neck, 'dims', width):
            known = dict(in_channels=width)
        if not isinstance(head, nn.Module):
            head = build_part('head', MODELS, head, **known)
        super().__init__(backbone, neck, head, **kwargs)


@MODELS.register_module()
class FrozenEncoderClassifier(EncoderClassifier):
    """An EncoderClassifier whose backbone does not learn: "Frozen-feature Evaluation" in the paper.

    All of it stays as it is, whatever backbone it is, in evaluation mode, so that neither
    stochastic depth nor patch dropout is at work. As none of its parameters needs a gradient, its
    forward pass keeps nothing for a backward one.

    Args:
        **kwargs: As in EncoderClassifier.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        freeze(self, ['backbone'])
        self.train()

    def train(self, mode: bool = True) -> FrozenEncoderClassifier:
        """As in any module, but that the backbone stays in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Classification by a frozen encoder (paper section 3.3, "Frozen-feature Evaluation")."""

from __future__ import annotations

from mmpretrain.models import ImageClassifier

from mmcoca.registry import MODELS

from ..parts import freeze


@MODELS.register_module()
class FrozenEncoderClassifier(ImageClassifier):
    """mmpretrain's ImageClassifier whose backbone does not learn.

    All of it stays as it is, whatever backbone it is, in evaluation mode, so that neither
    stochastic depth nor patch dropout is at work. As none of its parameters needs a gradient, its
    forward pass keeps nothing for a backward one.

    Args:
        **kwargs: As in ImageClassifier.
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

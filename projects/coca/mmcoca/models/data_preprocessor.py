# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""mmpretrain's data preprocessor, for its FeatureExtractor too."""

from __future__ import annotations

from mmpretrain.models import MultiModalDataPreprocessor
from torch import Tensor

from mmcoca.registry import MODELS


class Batch(dict):
    """'images' and 'data_samples'; asked for 'inputs', as by FeatureExtractor, the images."""

    def __missing__(self, key: str) -> Tensor:
        if key == 'inputs':
            return self['images']
        raise KeyError(key)


@MODELS.register_module()
class ImageTextDataPreprocessor(MultiModalDataPreprocessor):
    """MultiModalDataPreprocessor whose batches serve mmpretrain's FeatureExtractor too."""

    def forward(self, data: dict, training: bool = False) -> Batch:
        """As MultiModalDataPreprocessor."""
        return Batch(super().forward(data, training))

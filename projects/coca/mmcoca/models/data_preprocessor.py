# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""mmpretrain's data preprocessor, for its FeatureExtractor too."""

from __future__ import annotations

import torch
from mmpretrain.models import MultiModalDataPreprocessor
from torch import Tensor

from mmcoca.registry import MODELS


class Batch(dict):
    """'images', 'data_samples' and, if workers tokenised them, 'texts'.

    Asked for 'inputs', as by FeatureExtractor, it gives the images.
    """

    def __missing__(self, key: str) -> Tensor:
        if key == 'inputs':
            return self['images']
        raise KeyError(key)


@MODELS.register_module()
class ImageTextDataPreprocessor(MultiModalDataPreprocessor):
    """MultiModalDataPreprocessor whose batches serve mmpretrain's FeatureExtractor too.

    The 'texts' that loading workers have tokenised stay on the host, as they are. Images become of
    the model's floating type: float16 after `model.half()`.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        # Whatever changes the type of the model's weights changes its type.
        self.register_buffer('floating', torch.zeros(()), persistent=False)

    def forward(self, data: dict, training: bool = False) -> Batch:
        """As MultiModalDataPreprocessor."""
        batch = Batch(super().forward({k: v for k, v in data.items() if k != 'texts'}, training))
        if 'texts' in data:
            batch['texts'] = data['texts']
        if batch['images'] is not None:
            batch['images'] = batch['images'].to(self.floating.dtype)
        return batch

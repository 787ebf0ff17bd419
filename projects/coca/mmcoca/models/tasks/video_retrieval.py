# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Retrieval of videos by the mean of their frames (paper section 4.2.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmpretrain.structures import DataSample
from torch import Tensor

from mmcoca.registry import MODELS
from mmcoca.samples import texts_of

from ..coca import CoCa


@MODELS.register_module()
class CoCaForVideoRetrieval(CoCa):
    """A CoCa whose mode 'predict' embeds clips (B,F,3,height,width): the mean of the frames.
    """

    def encode_clips(self, clips: Tensor) -> Tensor:
        """Clips (B,F,3,height,width) -> embeddings (B,E), L2-normalised."""
        frames = self.encode_image(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])
        return F.normalize(frames.mean(dim=1), dim=-1)

    @torch.no_grad()
    def predict(self, clips: Tensor, data_samples: Sequence[DataSample]) -> list[DataSample]:
        """Set each sample's `image_feature` (E,) and `text_features` (captions,E)."""
        captions = [texts_of(sample) for sample in data_samples]
        texts = [text for of_sample in captions for text in of_sample]
        features = self.encode_text(texts).split([len(of_sample) for of_sample in captions])
        for sample, clip, of_sample in zip(data_samples, self.encode_clips(clips), features):
            sample.set_field(clip, 'image_feature')
            sample.set_field(of_sample, 'text_features')
        return list(data_samples)

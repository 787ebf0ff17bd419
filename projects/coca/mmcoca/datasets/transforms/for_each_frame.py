# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Image transforms over the frames of a video."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform, Compose

from mmcoca.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ForEachFrame(BaseTransform):
    """Apply transforms of an image to each frame, alike, and stack the frames.

    `img`, a list of F frames (height,width,3) of one size, becomes an array (F,3,height,width); all
    else in the results is what the transforms make of the last frame. For each frame of a clip they
    draw the same random numbers, so that all are cropped and flipped at one place.

    Args:
        transforms: Of one image; they end with frames of one size.
    """

    def __init__(self, transforms: Sequence[dict]) -> None:
        self.transforms = Compose(transforms)

    def transform(self, results: dict) -> dict:
        """Replace `img`."""
        # Whatever a transform draws from; mmcv's `cache_random_params` would leave out those that
        # do not mark what they draw, and refuses mmpretrain's RandomResizedCrop.
        states = random.getstate(), np.random.get_state(), torch.get_rng_state()
        frames = []
        for frame in results['img']:
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.set_rng_state(states[2])
            frames.append(self.transforms(dict(results, img=frame)))
        clip = np.stack([frame['img'] for frame in frames]).transpose(0, 3, 1, 2)
        return dict(frames[-1], img=clip)

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Random thickening and thinning of dark strokes."""

from __future__ import annotations

import random

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmcoca.registry import TRANSFORMS

KERNEL = np.ones((3, 3), np.uint8)


@TRANSFORMS.register_module()
class RandomStrokeWidth(BaseTransform):
    """Thicken or thin the dark strokes of `img` (height,width,3) by a pixel: artists' pens differ.

    Args:
        probability: How often; each direction takes half of it.
    """

    def __init__(self, probability: float = 0.5) -> None:
        self.probability = probability

    def transform(self, results: dict) -> dict:
        """Replace `img`."""
        draw = random.random()
        if draw < self.probability:
            change = cv2.erode if draw < self.probability / 2 else cv2.dilate
            results['img'] = change(results['img'], KERNEL)
        return results

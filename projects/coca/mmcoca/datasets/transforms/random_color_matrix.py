# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Random contrast, saturation and hue of what is drawn on white, as one linear map."""

from __future__ import annotations

import math
import random

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmcoca.registry import TRANSFORMS

LUMA = np.array([0.114, 0.587, 0.299])  # of B, G, R: ITU-R BT.601


def hue_rotation(angle: float) -> np.ndarray:
    """Rotation (3,3) of colours around the grey axis, in radians."""
    axis = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    cos, sin = math.cos(angle), math.sin(angle)
    return cos * np.eye(3) + sin * axis + (1 - cos) / 3


@TRANSFORMS.register_module()
class RandomColorMatrix(BaseTransform):
    """Change the colours of `img` (height,width,3), BGR, by one matrix that leaves white white.

    Three steps of a colour jitter are each linear, so that their product costs one pass over the
    image. Hue turns around the grey axis, which approximates the turn of the HSV wheel.

    Args:
        contrast: The distance to white is multiplied by a factor from [1 - x, 1 + x].
        saturation: The distance to grey, likewise.
        hue: Largest turn, as a fraction of the full circle.
        grayscale: Probability of dropping the colours altogether.
    """

    def __init__(
        self,
        contrast: float = 0.3,
        saturation: float = 0.3,
        hue: float = 0.05,
        grayscale: float = 0.0,
    ) -> None:
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.grayscale = grayscale

    def transform(self, results: dict) -> dict:
        """Replace `img`."""
        contrast, saturation = (
            random.uniform(1 - x, 1 + x) for x in (self.contrast, self.saturation)
        )
        if random.random() < self.grayscale:
            saturation = 0.0
        angle = random.uniform(-self.hue, self.hue) * 2 * math.pi
        grey = np.outer(np.ones(3), LUMA)
        matrix = contrast * (saturation * np.eye(3) + (1 - saturation) * grey) @ hue_rotation(angle)
        offset = 255 * (1 - matrix.sum(axis=1))  # so that white is a fixed point
        # OpenCV rounds, and clips to 0..255.
        results['img'] = cv2.transform(results['img'], np.column_stack([matrix, offset]))
        return results

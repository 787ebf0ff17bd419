# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Random brightness, contrast, saturation and hue as one linear map of the colours."""

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
    """Change the colours of `img` (H,W,3), BGR, 0..255, by one 3x3 matrix and an offset.

    Four steps of a colour jitter are each linear, so that their product costs one pass over the
    image. Hue turns around the grey axis, which approximates the turn of the HSV wheel.

    Args:
        brightness, contrast, saturation: Factors are drawn from [1 - x, 1 + x].
        hue: Largest turn, as a fraction of the full circle.
        grayscale: Probability of dropping the colours altogether.
    """

    def __init__(
        self,
        brightness: float = 0.2,
        contrast: float = 0.2,
        saturation: float = 0.2,
        hue: float = 0.03,
        grayscale: float = 0.0,
    ) -> None:
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.grayscale = grayscale

    def transform(self, results: dict) -> dict:
        """Replace `img`."""
        image = results['img']
        brightness, contrast, saturation = (
            random.uniform(1 - x, 1 + x) for x in (self.brightness, self.contrast, self.saturation)
        )
        if random.random() < self.grayscale:
            saturation = 0.0
        angle = random.uniform(-self.hue, self.hue) * 2 * math.pi
        colours = saturation * np.eye(3) + (1 - saturation) * np.outer(np.ones(3), LUMA)
        matrix = brightness * contrast * colours @ hue_rotation(angle)
        # Contrast changes the distance from the image's mean luminance.
        offset = brightness * (1 - contrast) * float(LUMA @ cv2.mean(image)[:3])
        affine = np.column_stack([matrix, np.full(3, offset)])
        results['img'] = cv2.transform(image, affine)  # rounds, and clips to 0..255
        return results

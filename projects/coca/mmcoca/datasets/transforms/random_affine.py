# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Random rotation, scale, shear and shift in one warp."""

from __future__ import annotations

import math
import random

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmcoca.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomAffine(BaseTransform):
    """Warp `img` (height,width,3) once around its centre, keeping its size.

    torchvision's RandomAffine does the same to PIL images, at several times the cost for small
    ones.

    Args:
        rotation: Largest angle, in degrees. scale: smallest and largest factor.
        translation: Largest shift, as a fraction of the side. shear: largest angle, in degrees.
        fill: Value outside the image, 0..255.
    """

    def __init__(
        self,
        rotation: float = 10.0,
        scale: tuple[float, float] = (0.9, 1.1),
        translation: float = 0.05,
        shear: float = 0.0,
        fill: int = 255,
    ) -> None:
        self.rotation = rotation
        self.scale = scale
        self.translation = translation
        self.shear = shear
        self.fill = fill

    def transform(self, results: dict) -> dict:
        """Replace `img`."""
        image = results['img']
        height, width = image.shape[:2]
        angle = math.radians(random.uniform(-self.rotation, self.rotation))
        scale = math.exp(random.uniform(math.log(self.scale[0]), math.log(self.scale[1])))
        shear = math.tan(math.radians(random.uniform(-self.shear, self.shear)))
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        matrix = np.array([[cos, cos * shear - sin], [sin, sin * shear + cos]])
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        shift = [random.uniform(-self.translation, self.translation) * s for s in (width, height)]
        offset = centre + shift - matrix @ centre
        results['img'] = cv2.warpAffine(
            image,
            np.column_stack([matrix, offset]),
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderValue=(self.fill, ) * 3,
        )
        return results

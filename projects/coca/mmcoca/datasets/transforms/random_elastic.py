# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Random smooth deformation, as between two drawings of one thing."""

from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmcoca.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomElastic(BaseTransform):
    """Move points of a coarse grid on `img` (height,width,3) at random, the rest smoothly along.

    Args:
        displacement: Standard deviation of a grid point's shift, as a fraction of the side.
        grid_size: Grid points along each side.
        fill: Value outside the image, 0..255.
    """

    def __init__(self, displacement: float = 0.03, grid_size: int = 4, fill: int = 255) -> None:
        self.displacement = displacement
        self.grid_size = grid_size
        self.fill = fill

    def transform(self, results: dict) -> dict:
        """Replace `img`."""
        image = results['img']
        height, width = image.shape[:2]
        shifts = np.random.standard_normal((self.grid_size, self.grid_size, 2)).astype(np.float32)
        shifts *= self.displacement * np.array([width, height], np.float32)
        field = cv2.resize(shifts, (width, height), interpolation=cv2.INTER_CUBIC)
        x = field[..., 0] + np.arange(width, dtype=np.float32)
        y = field[..., 1] + np.arange(height, dtype=np.float32)[:, None]
        results['img'] = cv2.remap(
            image, x, y, cv2.INTER_LINEAR, borderValue=(self.fill, ) * image.shape[2]
        )
        return results

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Cropping of drawings to what is drawn."""

from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmcoca.registry import TRANSFORMS


@TRANSFORMS.register_module()
class CropToContent(BaseTransform):
    """Crop `img` (height,width,3) to a square around what is drawn: artists' margins differ.

    Args:
        background: Value of the background, 0..255, in all channels.
        tolerance: A pixel is content if a channel differs from the background by more.
        margin: Background added on each side, as a fraction of the content's longer side.
        max_content: Content with a longer side than this is first shrunk to it, since the square
            around a thin line would be far larger than its image.

    An image without content stays as it is.
    """

    def __init__(
        self,
        background: int = 255,
        tolerance: int = 7,
        margin: float = 0.045,
        max_content: int = 2048,
    ) -> None:
        self.background = background
        self.tolerance = tolerance
        self.margin = margin
        self.max_content = max_content

    def transform(self, results: dict) -> dict:
        """Replace `img` and `img_shape`."""
        image = results['img']
        lowest, highest = self.background - self.tolerance, self.background + self.tolerance
        is_background = cv2.inRange(image, (lowest, ) * 3, (highest, ) * 3)
        left, top, width, height = cv2.boundingRect(cv2.bitwise_not(is_background))
        if width == 0:
            return results
        content = shrink(image[top:top + height, left:left + width], self.max_content)
        height, width = content.shape[:2]
        longer = max(width, height)
        side = longer + 2 * round(self.margin * longer)
        square = np.full((side, side, image.shape[2]), self.background, image.dtype)
        y, x = (side - height) // 2, (side - width) // 2
        square[y:y + height, x:x + width] = content
        results['img'], results['img_shape'] = square, square.shape[:2]
        return results


def shrink(image: np.ndarray, longest: int) -> np.ndarray:
    """An image (height,width,3) -> the same, its longer side no longer than this."""
    longer = max(image.shape[:2])
    if longer <= longest:
        return image
    height, width = (max(1, round(side * longest / longer)) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)

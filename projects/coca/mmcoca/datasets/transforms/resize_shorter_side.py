# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Resizing to a shorter side, as open_clip does it, in bounded memory."""

from __future__ import annotations

from mmcv.transforms import BaseTransform
from PIL import Image

from mmcoca.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ResizeShorterSide(BaseTransform):
    """Resize `img`, a PIL image, so that its shorter side has `size` pixels, bicubic.

    The pixels are those of torchvision's Resize. That would make 800 million of an image of 1 x
    16,000 pixels.

    Args:
        size: The shorter side.
        max_ratio: Of an image with sides of a larger ratio only the middle is kept.
    """

    def __init__(self, size: int, max_ratio: int = 64) -> None:
        self.size = size
        self.max_ratio = max_ratio

    def transform(self, results: dict) -> dict:
        """Replace `img`."""
        image = middle(results['img'], self.max_ratio)
        shorter = min(image.size)
        size = tuple(int(self.size * side / shorter) for side in image.size)
        return dict(results, img=image.resize(size, Image.Resampling.BICUBIC))


def middle(image: Image.Image, max_ratio: int) -> Image.Image:
    """The middle of an image, as much of it as has sides of no larger ratio."""
    width, height = image.size
    longest = max_ratio * min(width, height)
    if max(width, height) <= longest:
        return image
    left, top = max(0, width - longest) // 2, max(0, height - longest) // 2
    return image.crop((left, top, left + min(width, longest), top + min(height, longest)))

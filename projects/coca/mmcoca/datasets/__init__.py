# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .annotation_files import AnnotationError
from .image_text_dataset import ImageTextDataset, UnreadableImageError
from .transforms import (
    CropToContent,
    RandomAffine,
    RandomColorMatrix,
    RandomElastic,
    RandomStrokeWidth,
)

__all__ = [
    'AnnotationError',
    'CropToContent',
    'ImageTextDataset',
    'RandomAffine',
    'RandomColorMatrix',
    'RandomElastic',
    'RandomStrokeWidth',
    'UnreadableImageError',
]

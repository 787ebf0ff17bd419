# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .annotation_files import AnnotationError
from .image_label_dataset import ImageLabelDataset
from .image_text_dataset import ImageTextDataset, UnreadableImageError
from .msr_vtt import MSRVTT
from .snli_ve import SNLIVE
from .transforms import (
    CropToContent,
    ForEachFrame,
    LoadVideoFrames,
    RandomAffine,
    RandomColorMatrix,
    RandomElastic,
    RandomStrokeWidth,
    UnreadableVideoError,
)
from .video_dataset import VideoDataset

__all__ = [
    'AnnotationError',
    'CropToContent',
    'ForEachFrame',
    'ImageLabelDataset',
    'ImageTextDataset',
    'LoadVideoFrames',
    'MSRVTT',
    'RandomAffine',
    'RandomColorMatrix',
    'RandomElastic',
    'RandomStrokeWidth',
    'SNLIVE',
    'UnreadableImageError',
    'UnreadableVideoError',
    'VideoDataset',
]

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .annotation_files import AnnotationError
from .image_label_dataset import ImageLabelDataset
from .image_text_dataset import ImageTextDataset
from .msr_vtt import MSRVTT
from .snli_ve import SNLIVE
from .texts_of_batch import CollateWithTexts
from .transforms import (
    CropToContent,
    ForEachFrame,
    LoadImage,
    LoadVideoFrames,
    RandomAffine,
    RandomColorMatrix,
    RandomElastic,
    RandomStrokeWidth,
    ResizeShorterSide,
    UnreadableImageError,
    UnreadableVideoError,
    read_image,
)
from .video_dataset import VideoDataset

__all__ = [
    'AnnotationError',
    'CollateWithTexts',
    'CropToContent',
    'ForEachFrame',
    'ImageLabelDataset',
    'ImageTextDataset',
    'LoadImage',
    'LoadVideoFrames',
    'MSRVTT',
    'RandomAffine',
    'RandomColorMatrix',
    'RandomElastic',
    'RandomStrokeWidth',
    'ResizeShorterSide',
    'SNLIVE',
    'UnreadableImageError',
    'UnreadableVideoError',
    'VideoDataset',
    'read_image',
]

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .crop_to_content import CropToContent
from .for_each_frame import ForEachFrame
from .labels_as_text import LabelsAsText
from .load_image import LoadImage, UnreadableImageError, is_image_file, read_image
from .load_video_frames import LoadVideoFrames, UnreadableVideoError
from .random_affine import RandomAffine
from .random_color_matrix import RandomColorMatrix
from .random_elastic import RandomElastic
from .random_stroke_width import RandomStrokeWidth
from .resize_shorter_side import ResizeShorterSide

__all__ = [
    'CropToContent',
    'ForEachFrame',
    'LabelsAsText',
    'LoadImage',
    'LoadVideoFrames',
    'RandomAffine',
    'RandomColorMatrix',
    'RandomElastic',
    'RandomStrokeWidth',
    'ResizeShorterSide',
    'UnreadableImageError',
    'UnreadableVideoError',
    'is_image_file',
    'read_image',
]

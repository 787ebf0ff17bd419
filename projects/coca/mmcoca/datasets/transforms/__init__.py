# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .crop_to_content import CropToContent
from .for_each_frame import ForEachFrame
from .load_image import LoadImage, UnreadableImageError, image_endings, is_image_file, read_image
from .load_video_frames import LoadVideoFrames, UnreadableVideoError
from .random_affine import RandomAffine
from .random_color_matrix import RandomColorMatrix
from .random_elastic import RandomElastic
from .random_stroke_width import RandomStrokeWidth

__all__ = [
    'CropToContent',
    'ForEachFrame',
    'LoadImage',
    'LoadVideoFrames',
    'RandomAffine',
    'RandomColorMatrix',
    'RandomElastic',
    'RandomStrokeWidth',
    'UnreadableImageError',
    'UnreadableVideoError',
    'image_endings',
    'is_image_file',
    'read_image',
]

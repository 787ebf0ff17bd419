# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .crop_to_content import CropToContent
from .random_affine import RandomAffine
from .random_color_matrix import RandomColorMatrix
from .random_elastic import RandomElastic
from .random_stroke_width import RandomStrokeWidth

__all__ = [
    'CropToContent', 'RandomAffine', 'RandomColorMatrix', 'RandomElastic', 'RandomStrokeWidth'
]

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .coca_vit import CoCaViT
from .conv_stem import ConvStem

__all__ = ['CoCaViT', 'ConvStem']

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .coca_vit import CoCaViT
from .conv_stem import ConvStem
from .frame_encoder import FrameEncoder

__all__ = ['CoCaViT', 'ConvStem', 'FrameEncoder']

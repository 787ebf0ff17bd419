# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .coca_vit import CoCaViT

__all__ = ['CoCaViT']

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .captioning_head import CaptioningHead
from .contrastive_head import ContrastiveHead

__all__ = ['CaptioningHead', 'ContrastiveHead']

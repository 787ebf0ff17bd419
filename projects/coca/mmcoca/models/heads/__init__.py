# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .captioning_head import CaptioningHead
from .contrastive_head import ContrastiveHead
from .understanding_head import UnderstandingHead

__all__ = ['CaptioningHead', 'ContrastiveHead', 'UnderstandingHead']

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .backbones import CoCaViT, ConvStem
from .coca import CoCa
from .data_preprocessor import ImageTextDataPreprocessor
from .heads import CaptioningHead, ContrastiveHead
from .losses import CaptioningLoss, ContrastiveLoss, SigmoidContrastiveLoss
from .necks import AttentionalPooler, SharedPooler, TaskPoolers
from .tasks import ZeroShotCoCa
from .text import (
    CLIPTokenizer,
    DecoupledTextDecoder,
    FixedLengthUnimodalDecoder,
    MultimodalDecoder,
    TextTokenizer,
    TwoMLPMultimodalDecoder,
    UnimodalDecoder,
)

__all__ = [
    'AttentionalPooler',
    'CLIPTokenizer',
    'CaptioningHead',
    'CaptioningLoss',
    'CoCa',
    'CoCaViT',
    'ConvStem',
    'ContrastiveHead',
    'ContrastiveLoss',
    'DecoupledTextDecoder',
    'FixedLengthUnimodalDecoder',
    'ImageTextDataPreprocessor',
    'MultimodalDecoder',
    'SharedPooler',
    'SigmoidContrastiveLoss',
    'TaskPoolers',
    'TextTokenizer',
    'TwoMLPMultimodalDecoder',
    'UnimodalDecoder',
    'ZeroShotCoCa',
]

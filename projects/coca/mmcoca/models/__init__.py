# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .backbones import CoCaViT, ConvStem, FrameEncoder
from .coca import CoCa
from .data_preprocessor import ImageTextDataPreprocessor
from .heads import CaptioningHead, ContrastiveHead, UnderstandingHead
from .losses import CaptioningLoss, ContrastiveLoss, SigmoidContrastiveLoss
from .necks import (
    AttentionalPooler,
    ContrastivePooler,
    RecognitionPooler,
    SharedPooler,
    TaskPoolers,
)
from .tasks import (
    CoCaForUnderstanding,
    CoCaForVideoRetrieval,
    CoCaForVQA,
    FrozenEncoderClassifier,
    ZeroShotCoCa,
)
from .text import (
    AggregatingUnimodalDecoder,
    CLIPTokenizer,
    DecoupledTextDecoder,
    FixedLengthUnimodalDecoder,
    MultimodalDecoder,
    TextTokenizer,
    TwoMLPMultimodalDecoder,
    UnimodalDecoder,
)

__all__ = [
    'AggregatingUnimodalDecoder',
    'AttentionalPooler',
    'CLIPTokenizer',
    'CaptioningHead',
    'CaptioningLoss',
    'CoCa',
    'CoCaForUnderstanding',
    'CoCaForVQA',
    'CoCaForVideoRetrieval',
    'CoCaViT',
    'ConvStem',
    'ContrastiveHead',
    'ContrastiveLoss',
    'ContrastivePooler',
    'DecoupledTextDecoder',
    'FixedLengthUnimodalDecoder',
    'FrameEncoder',
    'FrozenEncoderClassifier',
    'ImageTextDataPreprocessor',
    'MultimodalDecoder',
    'RecognitionPooler',
    'SharedPooler',
    'SigmoidContrastiveLoss',
    'TaskPoolers',
    'TextTokenizer',
    'TwoMLPMultimodalDecoder',
    'UnderstandingHead',
    'UnimodalDecoder',
    'ZeroShotCoCa',
]

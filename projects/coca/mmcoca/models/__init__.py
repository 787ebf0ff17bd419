# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""CoCa and all that it is built of.

Letters in shapes, one meaning each in all of these modules:

    B  batch, of images or texts    D  text width           A  positions that attend
    N  image tokens                 E  embedding            S  positions that are attended to
    Q  caption queries              V  vocabulary           M  width of what is attended to
    L  text tokens                  P  world size           C  channels of an attention head
    W  image width: channels of an image token              F  frames of a clip
    T  tokens of all texts of a batch, packed without their padding
    R  captions that are decoded at once, of B images, in G groups of K beams each

Words stand for themselves, as in (B,3,height,width), (B,heads,A,C), (pairs,2); "new" are the tokens
that a step of decoding adds.
"""

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
    SimpleFeaturePyramid,
    TaskPoolers,
)
from .tasks import (
    CoCaForUnderstanding,
    CoCaForVideoRetrieval,
    CoCaForVQA,
    EncoderClassifier,
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
    'EncoderClassifier',
    'FrozenEncoderClassifier',
    'ImageTextDataPreprocessor',
    'MultimodalDecoder',
    'RecognitionPooler',
    'SharedPooler',
    'SigmoidContrastiveLoss',
    'SimpleFeaturePyramid',
    'TaskPoolers',
    'TextTokenizer',
    'TwoMLPMultimodalDecoder',
    'UnderstandingHead',
    'UnimodalDecoder',
    'ZeroShotCoCa',
]

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .attentional_pooler import AttentionalPooler, SharedPooler, TaskPoolers
from .contrastive_pooler import ContrastivePooler
from .recognition_pooler import RecognitionPooler
from .simple_feature_pyramid import SimpleFeaturePyramid

__all__ = [
    'AttentionalPooler',
    'ContrastivePooler',
    'RecognitionPooler',
    'SharedPooler',
    'SimpleFeaturePyramid',
    'TaskPoolers',
]

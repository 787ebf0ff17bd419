# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .answering import CoCaForVQA
from .class_embeddings import KeptClassEmbeddings, class_embeddings
from .encoder_classifier import EncoderClassifier, FrozenEncoderClassifier
from .understanding import CoCaForUnderstanding
from .video_retrieval import CoCaForVideoRetrieval
from .zero_shot import ZeroShotCoCa, classify_images

__all__ = [
    'CoCaForUnderstanding',
    'CoCaForVQA',
    'CoCaForVideoRetrieval',
    'EncoderClassifier',
    'FrozenEncoderClassifier',
    'KeptClassEmbeddings',
    'ZeroShotCoCa',
    'class_embeddings',
    'classify_images',
]

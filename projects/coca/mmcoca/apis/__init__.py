# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from mmcoca.labels import class_names
from mmcoca.models.tasks import class_embeddings, classify_images

from .captioning import CaptionFileError, Description, caption_images, describe_images
from .embeddings import EmbeddingIndex
from .image_files import find_images, load_images, name_below
from .inferencers import (
    FeatureExtractor,
    ImageCaptionInferencer,
    ImageToTextRetrievalInferencer,
    SearchInferencer,
    ZeroShotClassificationInferencer,
)
from .model import load_model

__all__ = [
    'CaptionFileError',
    'Description',
    'EmbeddingIndex',
    'FeatureExtractor',
    'ImageCaptionInferencer',
    'ImageToTextRetrievalInferencer',
    'SearchInferencer',
    'ZeroShotClassificationInferencer',
    'caption_images',
    'class_embeddings',
    'class_names',
    'classify_images',
    'describe_images',
    'find_images',
    'load_images',
    'load_model',
    'name_below',
]

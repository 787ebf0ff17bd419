# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from mmcoca.labels import class_names
from mmcoca.models.tasks import class_embeddings, classify_images

from .captioning import CaptionFileError, Description, caption_images, describe_images
from .embeddings import EmbeddingIndex, joined_queries
from .image_files import ImageFiles, find_images, load_batches, load_images, name_below
from .image_shards import ImageShards
from .inferencers import (
    FeatureExtractor,
    ImageCaptionInferencer,
    ImageToTextRetrievalInferencer,
    SearchInferencer,
    ZeroShotClassificationInferencer,
)
from .model import config_and_weights, load_model

__all__ = [
    'CaptionFileError',
    'Description',
    'EmbeddingIndex',
    'FeatureExtractor',
    'ImageCaptionInferencer',
    'ImageFiles',
    'ImageShards',
    'ImageToTextRetrievalInferencer',
    'SearchInferencer',
    'ZeroShotClassificationInferencer',
    'caption_images',
    'class_embeddings',
    'class_names',
    'classify_images',
    'config_and_weights',
    'describe_images',
    'find_images',
    'joined_queries',
    'load_batches',
    'load_images',
    'load_model',
    'name_below',
]

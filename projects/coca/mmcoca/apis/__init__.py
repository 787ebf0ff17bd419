# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .captioning import CaptionFileError, Description, caption_images, describe_images
from .embeddings import EmbeddingIndex
from .image_files import find_images, load_images
from .inferencers import SearchInferencer, ZeroShotClassificationInferencer
from .model import load_model
from .zero_shot import class_embeddings, classify_images

__all__ = [
    'CaptionFileError',
    'Description',
    'EmbeddingIndex',
    'SearchInferencer',
    'ZeroShotClassificationInferencer',
    'caption_images',
    'class_embeddings',
    'classify_images',
    'describe_images',
    'find_images',
    'load_images',
    'load_model',
]

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Evaluation: recall and caption scores as plain functions, and thin metrics over them."""

from .caption_metric import CaptionMetric
from .caption_scores import caption_scores, exact_match
from .ptb_tokenizer import tokenize_captions
from .recall import recall_at_k, retrieval_recalls
from .retrieval_metric import RetrievalMetric

__all__ = [
    'CaptionMetric',
    'RetrievalMetric',
    'caption_scores',
    'exact_match',
    'recall_at_k',
    'retrieval_recalls',
    'tokenize_captions',
]

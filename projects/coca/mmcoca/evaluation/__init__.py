# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Evaluation: recall and caption scores as plain functions, and thin metrics over them."""

from .caption_characters import tokenize_characters
from .caption_metric import CaptionMetric
from .caption_scores import caption_scores, exact_match
from .knn import knn_scores
from .knn_loop import KNNTestLoop
from .ptb_tokenizer import tokenize_captions
from .recall import recall_at_k, retrieval_recalls
from .reranking import nearest_keys, reranked_ranks
from .reranking_loop import RerankingTestLoop
from .retrieval_metric import RetrievalMetric

__all__ = [
    'CaptionMetric',
    'KNNTestLoop',
    'RerankingTestLoop',
    'RetrievalMetric',
    'caption_scores',
    'exact_match',
    'knn_scores',
    'nearest_keys',
    'recall_at_k',
    'reranked_ranks',
    'retrieval_recalls',
    'tokenize_captions',
    'tokenize_characters',
]

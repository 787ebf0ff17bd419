# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .aggregating_decoder import AggregatingUnimodalDecoder
from .decoder import DecoupledTextDecoder, MultimodalDecoder, UnimodalDecoder
from .open_clip_decoder import FixedLengthUnimodalDecoder, TwoMLPMultimodalDecoder
from .packed_texts import PackedTexts, TokenChoice
from .tokenizers import CLIPTokenizer, TextBatch, TextTokenizer
from .vocabulary import SPECIAL_TOKENS, share_kept_whole, train_tokenizer

__all__ = [
    'AggregatingUnimodalDecoder',
    'CLIPTokenizer',
    'DecoupledTextDecoder',
    'FixedLengthUnimodalDecoder',
    'MultimodalDecoder',
    'PackedTexts',
    'SPECIAL_TOKENS',
    'TextBatch',
    'TextTokenizer',
    'TokenChoice',
    'TwoMLPMultimodalDecoder',
    'UnimodalDecoder',
    'share_kept_whole',
    'train_tokenizer',
]

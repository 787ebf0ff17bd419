# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .attention import CrossAttention, SelfAttention, SelfAttentionCache, attend
from .decoder_layer import MultimodalLayer, UnimodalLayer
from .initialization import init_transformer_weights
from .mlp import MLP
from .packing import Packing

__all__ = [
    'MLP',
    'CrossAttention',
    'MultimodalLayer',
    'Packing',
    'SelfAttention',
    'SelfAttentionCache',
    'UnimodalLayer',
    'attend',
    'init_transformer_weights',
]

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .attention import (
    CrossAttention,
    KeysValues,
    MultiHeadAttention,
    SelfAttention,
    SelfAttentionCache,
)
from .decoder_layer import MultimodalLayer, TwoMLPMultimodalLayer, UnimodalLayer
from .initialization import init_open_clip_layers, init_transformer_weights
from .mlp import MLP
from .packing import Packing
from .plain_modules import is_plain
from .precision import at_least_float32, similarities
from .softmax_attention import attend, attend_unprojected

__all__ = [
    'MLP',
    'CrossAttention',
    'KeysValues',
    'MultiHeadAttention',
    'MultimodalLayer',
    'Packing',
    'SelfAttention',
    'SelfAttentionCache',
    'TwoMLPMultimodalLayer',
    'UnimodalLayer',
    'at_least_float32',
    'attend',
    'attend_unprojected',
    'init_open_clip_layers',
    'init_transformer_weights',
    'is_plain',
    'similarities',
]

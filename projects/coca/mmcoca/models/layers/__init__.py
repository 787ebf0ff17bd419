# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .attention import (
    CrossAttention,
    MultiHeadAttention,
    SelfAttention,
    SelfAttentionCache,
)
from .decoder_layer import MultimodalLayer, TwoMLPMultimodalLayer, UnimodalLayer
from .initialization import init_open_clip_layers, init_transformer_weights
from .memory import Memory, ProjectedMemory, UnprojectedMemory
from .mlp import MLP
from .packing import Packing, on_device
from .plain_modules import is_plain
from .precision import at_least_float32, similarities
from .recomputing import is_recomputed, recompute
from .softmax_attention import attend

__all__ = [
    'MLP',
    'CrossAttention',
    'Memory',
    'MultiHeadAttention',
    'MultimodalLayer',
    'Packing',
    'ProjectedMemory',
    'SelfAttention',
    'SelfAttentionCache',
    'TwoMLPMultimodalLayer',
    'UnimodalLayer',
    'UnprojectedMemory',
    'at_least_float32',
    'attend',
    'init_open_clip_layers',
    'init_transformer_weights',
    'is_plain',
    'is_recomputed',
    'on_device',
    'recompute',
    'similarities',
]

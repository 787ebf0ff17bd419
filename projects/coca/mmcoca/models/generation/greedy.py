# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Greedy caption decoding with cached keys and values."""

from __future__ import annotations

import torch
from torch import Tensor

from ..heads import CaptioningHead
from ..layers import SelfAttentionCache
from ..text import DecoupledTextDecoder


@torch.no_grad()
def greedy_search(
    text: DecoupledTextDecoder,
    head: CaptioningHead,
    image_tokens: Tensor,
    start_id: int,
    end_id: int,
    pad_id: int,
    min_length: int = 0,
    max_length: int = 64,
) -> Tensor:
    """The most probable next token, again and again: image tokens (B,Q,D) -> token ids (B,L).

    The ids begin with the start token; after its end token a row holds padding. Cross-attention
    keys and values are computed once an image, each step computes one new position, and images
    whose caption has ended leave the batch.

    Args:
        min_length: Fewest tokens between start and end. max_length: L at most, with both.
    """
    batch_size, device = len(image_tokens), image_tokens.device
    output = torch.full((batch_size, max_length), pad_id, device=device)
    output[:, 0] = start_id
    memory = text.multimodal.project_memory(image_tokens)
    unimodal_caches = [SelfAttentionCache(max_length) for _ in text.unimodal.layers]
    multimodal_caches = [SelfAttentionCache(max_length) for _ in text.multimodal.layers]
    rows = torch.arange(batch_size, device=device)  # of the images still being captioned
    for position in range(1, max_length):
        states = text.unimodal.decode(output[rows, :position], position - 1, unimodal_caches)
        states = text.multimodal.decode(states, memory, multimodal_caches)
        logits = head(states[:, -1])
        if position <= min_length:
            logits[:, end_id] = float('-inf')
        next_ids = logits.argmax(dim=-1)
        output[rows, position] = next_ids
        going_on = (next_ids != end_id).nonzero()[:, 0]
        if len(going_on) == 0:
            break
        if len(going_on) < len(rows):
            rows = rows[going_on]
            memory = [(key[going_on], value[going_on]) for key, value in memory]
            for cache in unimodal_caches + multimodal_caches:
                cache.select(going_on)
    return output[:, :position + 1]

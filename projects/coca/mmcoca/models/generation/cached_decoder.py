# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Captions that grow by a token a step, with all that was computed before kept."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..heads import CaptioningHead
from ..layers import SelfAttentionCache, at_least_float32
from ..text import DecoupledTextDecoder
from .decoding_forms import choose_forms, is_memory_left, with_forms


class CachedDecoder:
    """The text decoder over R captions of B images, those of an image next to each other.

    Cross-attention keys and values are computed once an image and shared by its captions;
    self-attention's grow by what is new. Modules have the forms that are fastest for this.

    Args:
        regional_tokens: (B,Q,D). max_length: most tokens of a caption. rows_per_image: R/B at most.
    """

    def __init__(
        self,
        text: DecoupledTextDecoder,
        head: CaptioningHead,
        regional_tokens: Tensor,
        max_length: int,
        rows_per_image: int,
    ) -> None:
        if is_memory_left(regional_tokens, rows_per_image):
            self.memory = text.multimodal.leave_memory(regional_tokens)
        else:
            self.memory = text.multimodal.project_memory(regional_tokens)
        forms = choose_forms(regional_tokens, rows_per_image, max_length)
        self.text = with_forms(text, forms)
        self.head = with_forms(head, forms)
        self.unimodal_caches = [SelfAttentionCache(max_length) for _ in text.unimodal.layers]
        self.multimodal_caches = [SelfAttentionCache(max_length) for _ in text.multimodal.layers]
        self.length = 0

    def __call__(self, token_ids: Tensor) -> Tensor:
        """All ids so far (R,L) -> logits (R,new,V) after each of those that are new."""
        states = self.text.unimodal.decode(token_ids, self.length, self.unimodal_caches)
        states = self.text.multimodal.decode(states, self.memory, self.multimodal_caches)
        self.length = token_ids.shape[1]
        return at_least_float32(self.head(states))

    def select(self, rows: Tensor, images: Tensor | None = None) -> None:
        """Go on with these captions, in this order, and these images (None: all)."""
        for cache in self.unimodal_caches + self.multimodal_caches:
            cache.select(rows)
        if images is not None:
            self.memory = [of_layer.select(images) for of_layer in self.memory]


class Hypotheses(NamedTuple):
    """Captions (B,captions) of B images, the best first.

    token_ids (B,captions,L) with the start token, padded after the end; log_probabilities
    (B,captions,L) of each token given those before it and the image, 0 for the start and padding;
    scores (B,captions), by which they are ranked.
    """

    token_ids: Tensor
    log_probabilities: Tensor
    scores: Tensor


@torch.no_grad()
def read_prefix(decoder: CachedDecoder, prefix: Tensor) -> tuple[Tensor, Tensor]:
    """Prefix ids (B,L), start first -> logits (B,V) after it, log-probabilities (B,L) in it."""
    logits = decoder(prefix)
    known = logits[:, :-1].log_softmax(dim=-1).gather(2, prefix[:, 1:, None])[..., 0]
    return logits[:, -1], F.pad(known, (1, 0))

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Where in the image a model looks for each token of a caption."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import torch
from torch import Tensor

from .coca import CoCa
from .layers import CrossAttention
from .text import TextTokenizer


@torch.no_grad()
def word_attention(model: CoCa, image_tokens: Tensor, captions: Sequence[str]) -> list[Tensor]:
    """The encoder's (B,N,W) and a caption each -> each caption's attention (L-2,N).

    A row, which sums to 1, is about one of the tokens between start and end, and so is taken at the
    position that predicts it, one earlier: the multimodal layers' cross-attention to the Q caption
    queries, times the captioning pooler's attention to the N image tokens, each a mean over heads
    and the former over layers.

    Raises ValueError for a model without multimodal layers.
    """
    if model.text.multimodal is None:
        raise ValueError('word attention needs num_multimodal_layers > 0, but it is 0')
    texts = model.pack(captions)
    _, regional_tokens = model.neck(image_tokens)
    token_states, _ = model.text.unimodal(texts)
    weights_of_layers = []  # each (B,heads,L,Q)

    def keep_weights(attention: CrossAttention, args: tuple) -> None:
        packed_states, memory, packing = args
        weights_of_layers.append(attention.attention_weights(packing.pad(packed_states), memory))

    with ExitStack() as hooks:
        for layer in model.text.multimodal.layers:
            hooks.enter_context(layer.cross_attention.register_forward_pre_hook(keep_weights))
        model.text.read_whole(token_states, regional_tokens, texts)
    over_queries = torch.stack(weights_of_layers).mean(dim=(0, 2))  # (B,L,Q)
    over_patches = model.neck.captioning_attention(image_tokens).mean(dim=1)  # (B,Q,N)
    weights = over_queries @ over_patches
    lengths = texts.whole.packing.lengths.tolist()
    return [row[:length - 2] for row, length in zip(weights, lengths)]


def average_words(tokenizer: TextTokenizer, caption: str,
                  token_attention: Tensor) -> tuple[list[str], Tensor]:
    """A caption's words, split at white space, and the mean attention (words,N) of their tokens.

    Args:
        token_attention: (L-2,N) of this caption from `word_attention`.
    """
    token_ids = tokenizer([caption]).token_ids[0, 1:-1].tolist()
    prefixes = [token_ids[:end] for end in range(1, len(token_ids) + 1)]
    # A token that is only white space belongs to the word which that white space begins.
    words_so_far = [len(f'{text}.'.split()) for text in tokenizer.tokenizer.decode_batch(prefixes)]
    starts = [t for t in range(len(token_ids)) if t == 0 or words_so_far[t] > words_so_far[t - 1]]
    ends = [*starts[1:], len(token_ids)]
    words = tokenizer.decode([token_ids[start:end] for start, end in zip(starts, ends)])
    means = [token_attention[start:end].mean(dim=0) for start, end in zip(starts, ends)]
    return words, torch.stack(means)


def word_maps(
    model: CoCa,
    image_tokens: Tensor,
    image_size: tuple[int, int],
    captions: Sequence[str],
) -> list[tuple[list[str], Tensor]]:
    """The encoder's (B,N,W) and a caption each -> words and their maps (words,rows,columns).

    A map has a value for each patch of images of size (height,width).
    """
    height, width = image_size
    maps = []
    for caption, attention in zip(captions, word_attention(model, image_tokens, captions)):
        words, weights = average_words(model.tokenizer, caption, attention)
        patches = weights[:, model.backbone.num_extra_tokens:]
        rows = round((patches.shape[1] * height / width)**0.5)
        maps.append((words, patches.unflatten(1, (rows, -1))))
    return maps

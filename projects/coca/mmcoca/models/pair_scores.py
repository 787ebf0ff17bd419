# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""log p(text | image) of many pairs of few images and texts."""

from __future__ import annotations

import torch
from torch import Tensor

from .heads import CaptioningHead
from .layers import at_least_float32
from .text import DecoupledTextDecoder, TextBatch


def score_pairs(
    text: DecoupledTextDecoder,
    head: CaptioningHead,
    regional_tokens: Tensor,
    texts: TextBatch,
    pairs: Tensor,
    images_per_batch: int = 16,
) -> Tensor:
    """Regional tokens (images,Q,D), texts, pairs (pairs,2) of both -> log p(text | image) (pairs,).

    The pairs of an image are scored together, so that its keys and values are computed once, and
    within a batch each text's unimodal states once.

    Args:
        images_per_batch: Fewer need less memory.
    """
    scores = at_least_float32(regional_tokens.new_empty(len(pairs)))
    pairs = pairs.cpu()  # the host decides what is scored together
    counts = pairs[:, 0].bincount(minlength=len(regional_tokens))
    # Images with as many texts stand next to each other: a batch has a row for each of its longest.
    by_count = counts.argsort()
    place_of_image = by_count.argsort()
    order = place_of_image[pairs[:, 0]].argsort(stable=True)
    by_count = by_count[counts[by_count] > 0]
    sizes = counts[by_count].split(images_per_batch)
    places = order.split([int(of_batch.sum()) for of_batch in sizes])
    for images, counts_of_batch, of_batch in zip(by_count.split(images_per_batch), sizes, places):
        is_pair = torch.arange(int(counts_of_batch.max()))
        is_pair = is_pair < counts_of_batch[:, None]  # (images,texts an image)
        chosen = pairs.new_zeros(is_pair.shape).masked_scatter(is_pair, pairs[of_batch, 1])
        needed, rows = chosen.flatten().unique(return_inverse=True)
        needed_texts = TextBatch(texts.token_ids[needed], texts.lengths[needed])
        packed = text.lay_out(needed_texts, order=rows.numpy())
        token_states, _ = text.unimodal(packed)
        states = text.predict_next(token_states, regional_tokens[images], packed)
        values = head.log_probabilities(states, packed.targets)
        of_rows = packed.before_next.packing.pad(values[:, None]).sum(dim=(1, 2))
        scores[of_batch] = of_rows.view(is_pair.shape)[is_pair]
    return scores

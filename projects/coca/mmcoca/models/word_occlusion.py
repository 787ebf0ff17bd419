# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Which parts of an image the words of a caption need: what hiding them costs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .coca import CoCa
from .word_attention import average_words

SQUARES = 6  # side by side in an image's shorter side
STEPS = 2  # to the place of the next


def hide_squares(image: Tensor) -> Tensor:
    """An image (3,height,width) -> copies (rows,columns,3,height,width), each with a square of 0.

    0, after the data preprocessor, is the mean colour, or white for drawings.
    """
    size = min(image.shape[1:]) // SQUARES
    step = max(size // STEPS, 1)
    tops, lefts = (range(0, side - size + 1, step) for side in image.shape[1:])
    copies = image.repeat(len(tops), len(lefts), 1, 1, 1)
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            copies[row, column, :, top:top + size, left:left + size] = 0
    return copies


def token_log_probabilities(
    model: CoCa, images: Tensor, caption: str, batch_size: int = 64
) -> Tensor:
    """Images (B,3,height,width) -> log p of each token between start and end (B,L-2)."""
    values = []
    for batch in images.split(batch_size):
        texts = model.pack([caption] * len(batch))
        token_states, _ = model.text.unimodal(texts)
        states = model.text.predict_next(token_states, model.pool(batch)[1], texts)
        of_tokens = model.captioning_head.log_probabilities(states, texts.targets)
        num_tokens = int(texts.whole.packing.lengths[0]) - 2  # between start and end
        values.append(texts.before_next.packing.pad(of_tokens[:, None])[:, :num_tokens, 0])
    return torch.cat(values)


@torch.no_grad()
def word_occlusion(model: CoCa, images: Tensor,
                   captions: Sequence[str]) -> list[tuple[list[str], Tensor]]:
    """Images (B,3,height,width), a caption each -> words and their maps (words,rows,columns).

    A value is by how much the word's log-probability, in nats and the mean of its tokens, falls
    where a square of the image is hidden (arXiv 1311.2901, section 4.2): negative where it rises.

    Raises ValueError for a model without a captioning head.
    """
    if model.captioning_head is None:
        raise ValueError('word occlusion needs a captioning head')
    maps = []
    for image, caption in zip(images, captions):
        copies = hide_squares(image)
        whole = token_log_probabilities(model, image[None], caption)
        hidden = token_log_probabilities(model, copies.flatten(0, 1), caption)
        words, falls = average_words(model.tokenizer, caption, (whole - hidden).T)
        maps.append((words, falls.unflatten(1, copies.shape[:2])))
    return maps

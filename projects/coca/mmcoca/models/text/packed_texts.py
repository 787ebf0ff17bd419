# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The texts of a batch as the text decoder computes them, one after the other without padding.

All of it is made once, on the host, from token ids and lengths that the host has; both halves of
the decoder and the captioning loss then find their tokens by these indices, and a device is never
asked for a number.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..layers import Packing, on_device


class TokenChoice(NamedTuple):
    """Some of the packed tokens, packed anew: their rows (T,), and where they stand in texts."""

    rows: Tensor
    packing: Packing


class PackedTexts(NamedTuple):
    """T tokens of B texts, each text followed by its [CLS].

    token_ids, positions (T,): a token's id and its place in its text, 0 for [CLS], which stands in
    the rows cls_rows (B,cls). before_next: all tokens that have a next one, and targets (T,), that
    next one, -100 for none. whole: all tokens of the text. marks (B,2): equal for equal texts
    alone.
    """

    token_ids: Tensor
    positions: Tensor
    packing: Packing
    cls_rows: Tensor
    before_next: TokenChoice
    targets: Tensor
    whole: TokenChoice
    marks: Tensor


def pack_texts(
    token_ids: np.ndarray,
    lengths: np.ndarray,
    cls_places: np.ndarray,
    pad_id: int,
    device: torch.device | str,
    order: np.ndarray | None = None,
    multiple: int = 1,
) -> PackedTexts:
    """Ids (B,L), lengths (B,) and places of [CLS] (B,cls) in their texts -> the packed texts.

    Args:
        pad_id: Of what may stand between a text and its [CLS].
        order: The texts, by their numbers (texts,), that the multimodal half reads and that
            `before_next`, `targets` and `whole` therefore have; a text may be read several times.
        multiple: The number of tokens, T, is rounded up to a multiple of it, and L to one of 8 if
            it is not 1.
    """
    batch_size, num_cls = cls_places.shape
    with_cls = cls_places[:, -1] + 1
    max_length = round_up(int(with_cls.max()), 8 if multiple > 1 else 1)
    padded = np.full((batch_size, max_length), pad_id)
    is_text = np.arange(token_ids.shape[1]) < lengths[:, None]
    padded[:, :token_ids.shape[1]][is_text[:, :max_length]] = token_ids[is_text]
    np.put_along_axis(padded, cls_places, pad_id, axis=1)

    num_tokens = round_up(int(with_cls.sum()), multiple)
    places = np.flatnonzero(np.arange(max_length) < with_cls[:, None])
    filled = np.pad(places, (0, num_tokens - len(places)))
    positions = filled % max_length
    starts = with_cls.cumsum() - with_cls
    cls_rows = starts[:, None] + cls_places
    positions[cls_rows] = 0  # [CLS] has none, or one of its own

    # Where T and L are rounded, what is chosen has as many for all texts of one T and L.
    is_rounded = multiple > 1
    num_followed = num_tokens - batch_size * (num_cls + 1) if is_rounded else None
    max_followed = max_length - num_cls - 1 if is_rounded else None
    marks = marks_of_texts(token_ids, lengths)
    if order is not None:
        starts, lengths, token_ids, is_text = (
            x[order] for x in (starts, lengths, token_ids, is_text)
        )
    followed = choose(starts, lengths - 1, max_followed, num_followed, device)
    whole = choose(starts, lengths, max_length - num_cls if is_rounded else None, None, device)
    targets = token_ids[:, 1:][is_text[:, 1:]]
    targets = np.pad(targets, (0, len(followed.rows) - len(targets)), constant_values=-100)
    return PackedTexts(
        on_device(padded.ravel()[filled], device),
        on_device(positions, device),
        Packing.of(with_cls, max_length, num_tokens, device),
        on_device(cls_rows, device),
        followed,
        on_device(targets, device),
        whole,
        on_device(marks, device),
    )


def choose(
    starts: np.ndarray,
    lengths: np.ndarray,
    max_length: int | None,
    num_tokens: int | None,
    device: torch.device | str,
) -> TokenChoice:
    """The tokens of texts that begin at these rows and have these lengths, (B,) both."""
    max_length = max(max_length or 0, int(lengths.max()))
    before = lengths.cumsum() - lengths
    rows = np.repeat(starts - before, lengths) + np.arange(lengths.sum())
    if num_tokens is not None:
        num_tokens = max(num_tokens, len(rows))
        rows = np.pad(rows, (0, num_tokens - len(rows)))
    return TokenChoice(on_device(rows, device), Packing.of(lengths, max_length, num_tokens, device))


def round_up(number: int, multiple: int) -> int:
    """The next multiple of a number that is no less."""
    return -(-number // multiple) * multiple


def marks_of_texts(token_ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Ids (B,L) of texts of lengths (B,) -> two numbers (B,2), the same for equal texts alone.

    Whatever the batch's padding. Two texts have the same numbers by chance once in 2**128 cases.
    """
    length = token_ids.shape[1]
    # The same for a token whatever the length: numbers are drawn row by row.
    factors = np.random.default_rng(0).integers(2**63, size=(length, 2), dtype=np.uint64) * 2 + 1
    is_token = np.arange(length) < lengths[:, None]
    # 1 more, so that an id of 0 counts.
    ids = ((token_ids + 1) * is_token).astype(np.uint64)
    return (ids @ factors).view(np.int64)

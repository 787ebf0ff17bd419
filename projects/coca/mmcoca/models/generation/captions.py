# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""From image tokens to captions: options, search, and what is known of each caption."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor

from ..heads import CaptioningHead
from ..text import DecoupledTextDecoder, TextTokenizer
from .beam_search import beam_search
from .cached_decoder import CachedDecoder
from .constraints import Constraints
from .options import GenerationOptions
from .sampling import sample


@dataclass
class Caption:
    """A generated caption.

    Attributes:
        text: Its words.
        token_ids: (tokens,) after the start token, the end token included if it was reached.
        log_probabilities: (tokens,), of each given those before it and the image.
        score: By which the captions of an image are ranked.
    """

    text: str
    token_ids: Tensor
    log_probabilities: Tensor
    score: float

    @property
    def log_probability(self) -> float:
        """log p(caption | image)."""
        return float(self.log_probabilities.sum())


def generate_captions(
    text: DecoupledTextDecoder,
    head: CaptioningHead,
    tokenizer: TextTokenizer,
    regional_tokens: Tensor,
    options: GenerationOptions,
) -> list[list[Caption]]:
    """Regional tokens (B,Q,D) -> `num_return_sequences` captions of each image, the best first.

    Images whose prefixes have the same number of tokens are captioned together.

    Raises ValueError for lengths that the decoder does not have, and for another number of prefixes
    than images.
    """
    max_length = check_lengths(options, text, tokenizer)
    prefixes = prefix_ids(options, tokenizer)
    if isinstance(options.prefix, str):
        prefixes *= len(regional_tokens)
    if len(prefixes) != len(regional_tokens):
        raise ValueError(f'{len(prefixes)} prefixes for {len(regional_tokens)} images')
    rows_of_length = defaultdict(list)
    for row, prefix in enumerate(prefixes):
        rows_of_length[len(prefix)].append(row)
    captions: list[list[Caption]] = [[] for _ in prefixes]
    for rows in rows_of_length.values():
        chosen = regional_tokens if len(rows) == len(prefixes) else regional_tokens[rows]
        prefix = torch.tensor([prefixes[row] for row in rows], device=regional_tokens.device)
        found = search_captions(text, head, tokenizer, chosen, prefix, options, max_length)
        for row, of_image in zip(rows, found):
            captions[row] = of_image
    return captions


def search_captions(
    text: DecoupledTextDecoder,
    head: CaptioningHead,
    tokenizer: TextTokenizer,
    regional_tokens: Tensor,
    prefix: Tensor,
    options: GenerationOptions,
    max_length: int,
) -> list[list[Caption]]:
    """As `generate_captions`, with the token ids that captions begin with, start first."""
    constraints = Constraints(
        options,
        tokenizer.end_id,
        banned=banned_sequences(tokenizer, options),
    )
    rows_per_image = max(options.num_beams, options.num_return_sequences)
    hypotheses = (beam_search if options.num_beams > 1 else sample)(
        CachedDecoder(text, head, regional_tokens, max_length, rows_per_image),
        constraints,
        prefix,
        tokenizer.end_id,
        tokenizer.pad_id,
        max_length,
    )
    token_ids = hypotheses.token_ids[..., 1:].flatten(0, 1)
    log_probabilities = hypotheses.log_probabilities[..., 1:].flatten(0, 1)
    is_after_end = (token_ids == tokenizer.end_id).cumsum(dim=1).roll(1, dims=1) > 0
    is_after_end[:, 0] = False
    lengths = (~is_after_end).sum(dim=1).tolist()
    captions = [
        Caption(*fields) for fields in zip(
            tokenizer.decode(token_ids),
            [ids[:length] for ids, length in zip(token_ids, lengths)],
            [values[:length] for values, length in zip(log_probabilities, lengths)],
            hypotheses.scores.flatten().tolist(),
        )
    ]
    count = hypotheses.token_ids.shape[1]
    return [captions[start:start + count] for start in range(0, len(captions), count)]


def check_lengths(
    options: GenerationOptions, text: DecoupledTextDecoder, tokenizer: TextTokenizer
) -> int:
    """The most tokens of a caption. Raises ValueError for lengths the decoder does not have."""
    max_length = text.max_length if options.max_length is None else options.max_length
    fewest = 1 + max(len(prefix) for prefix in prefix_ids(options, tokenizer))
    if fewest > text.max_length:
        raise ValueError(
            f'a prefix of {fewest - 1} tokens is too long: the text decoder has {text.max_length} '
            'positions, and the caption needs some of them'
        )
    if not fewest <= max_length <= text.max_length:
        raise ValueError(f'max_length {max_length} is not within {fewest}..{text.max_length}')
    if options.min_length > max_length - 2:
        raise ValueError(f'min_length {options.min_length} is not within 0..{max_length - 2}')
    return max_length


def prefix_ids(options: GenerationOptions, tokenizer: TextTokenizer) -> list[list[int]]:
    """The token ids of each prefix, start first."""
    prefixes = [options.prefix] if isinstance(options.prefix, str) else options.prefix
    encoded = tokenizer.encode([prefix.strip() for prefix in prefixes])
    return [[tokenizer.start_id, *ids] for ids in encoded]


def banned_sequences(tokenizer: TextTokenizer, options: GenerationOptions) -> list[list[int]]:
    """Token ids of the banned words, at the beginning of a caption and after a space."""
    spellings = [f'{space}{word}' for word in options.banned_words for space in ('', ' ')]
    sequences = {tuple(ids) for ids in tokenizer.encode(spellings)} if spellings else set()
    if () in sequences:
        raise ValueError(f'banned_words {list(options.banned_words)} has an empty word')
    return [list(ids) for ids in sorted(sequences)]

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""How captions are generated: names and meanings as in the generate of transformers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class GenerationOptions:
    """Options of one call. Lengths are in tokens.

    Args:
        num_beams: 1 takes the most probable next token, again and again, or samples it.
        num_return_sequences: Captions an image; with beams at most `num_beams`.
        min_length: Fewest tokens between start and end. max_length: most tokens with start and end;
            None: as many as the decoder has positions.
        length_penalty: Beams are ranked by log-probability / tokens ** length_penalty.
        early_stopping: True ends an image's search when it has as many captions as beams; False
            when no beam is better at its present length; 'never' when none can become better.
        num_beam_groups, diversity_penalty: Groups of beams, one after the other in each step, where
            a token costs a group this much for each beam of the groups before that chose it
            (arXiv 1610.02424).
        do_sample: Draw the next token instead of taking the most probable.
        temperature, top_k, top_p: Flatten the distribution drawn from; keep the k most probable
            tokens (0: all); keep the most probable that together reach p.
        seed: Draws that repeat; each image has the same ones, whatever its batch. None: torch's.
        repetition_penalty: Divides the (positive) logits of tokens that the caption has, and
            multiplies the negative ones (arXiv 1909.05858).
        no_repeat_ngram_size: No n tokens in a row occur twice (0: they may).
        prefix: Words that every caption begins with, or a list of those of each image; white space
            around them does not count.
        banned_words: Words that no caption has, as the tokenizer spells them.

    Raises ValueError for values that mean nothing or contradict each other.
    """

    num_beams: int = 1
    num_return_sequences: int = 1
    min_length: int = 0
    max_length: int | None = None
    length_penalty: float = 1.0
    early_stopping: bool | str = False
    num_beam_groups: int = 1
    diversity_penalty: float = 0.0
    do_sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    prefix: str | Sequence[str] = ''
    banned_words: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ('num_beams', 'num_return_sequences', 'num_beam_groups'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name}={getattr(self, name)} is less than 1')
        for name in ('temperature', 'repetition_penalty', 'length_penalty', 'diversity_penalty'):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f'{name}={getattr(self, name)} is not finite')
        for name in ('temperature', 'repetition_penalty'):
            if getattr(self, name) <= 0:
                raise ValueError(f'{name}={getattr(self, name)} is not positive')
        for name in ('min_length', 'top_k', 'no_repeat_ngram_size', 'diversity_penalty'):
            if getattr(self, name) < 0:
                raise ValueError(f'{name}={getattr(self, name)} is negative')
        if not 0 < self.top_p <= 1:
            raise ValueError(f'top_p={self.top_p} is not within (0, 1]')
        if self.early_stopping not in (True, False, 'never'):
            raise ValueError(f"early_stopping={self.early_stopping!r}: use True, False or 'never'")
        if self.num_beams > 1 and self.do_sample:
            raise ValueError(f'do_sample is for num_beams=1, not {self.num_beams}')
        if self.num_beams > 1 and self.num_return_sequences > self.num_beams:
            raise ValueError(
                f'num_return_sequences={self.num_return_sequences} of num_beams={self.num_beams}'
            )
        if self.num_beams == 1 and not self.do_sample and self.num_return_sequences > 1:
            raise ValueError(
                f'num_return_sequences={self.num_return_sequences} needs beams or do_sample: the '
                'most probable tokens make one caption'
            )
        if self.num_beams % self.num_beam_groups:
            raise ValueError(
                f'num_beams={self.num_beams} does not divide into {self.num_beam_groups} groups'
            )
        if not isinstance(self.prefix, str):
            is_list = isinstance(self.prefix, (list, tuple)) and len(self.prefix) > 0
            if not is_list or not all(isinstance(prefix, str) for prefix in self.prefix):
                raise ValueError(
                    f'prefix={self.prefix!r}: give a text, or a list of a text for each image'
                )
        if isinstance(self.banned_words, str):
            raise ValueError(f'banned_words is a list of words: [{self.banned_words!r}]')

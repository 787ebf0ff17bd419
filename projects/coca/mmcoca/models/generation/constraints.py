# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What the next token may be: rules over the logits, each row a caption so far."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .options import GenerationOptions

FORBIDDEN = float('-inf')


class Constraints:
    """The rules of one call's options for R captions so far.

    Args:
        end_id: The end token, which min_length keeps away.
        banned: Sequences of token ids that no caption may contain.
    """

    def __init__(
        self,
        options: GenerationOptions,
        end_id: int,
        banned: Sequence[Sequence[int]] = (),
    ) -> None:
        self.options = options
        self.end_id = end_id
        self.banned = [list(sequence) for sequence in banned]

    def apply(self, logits: Tensor, normalizer: Tensor, token_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (R,V), -inf where forbidden, and what to take off (R,) for log-probabilities.

        In place, so that nothing of the size of the logits is made; a repetition penalty makes new
        ones.

        Args:
            normalizer: (R,), logsumexp of the logits. token_ids: (R,L), the captions so far.
        """
        options = self.options
        if options.repetition_penalty != 1:
            logits = penalize_repetition(logits, token_ids, options.repetition_penalty)
            normalizer = logits.logsumexp(dim=-1)
        if token_ids.shape[1] <= options.min_length:
            logits[:, self.end_id] = FORBIDDEN
        if options.no_repeat_ngram_size:
            forbid_repeated_ngrams(logits, token_ids, options.no_repeat_ngram_size)
        for sequence in self.banned:
            forbid_sequence(logits, token_ids, sequence)
        return logits, normalizer


def penalize_repetition(logits: Tensor, token_ids: Tensor, penalty: float) -> Tensor:
    """Make the tokens of each row (R,L) less probable in its logits (R,V)."""
    present = logits.gather(1, token_ids)
    return logits.scatter(
        1, token_ids, torch.where(present > 0, present / penalty, present * penalty)
    )


def forbid_repeated_ngrams(logits: Tensor, token_ids: Tensor, size: int) -> None:
    """Set to -inf in (R,V) what would complete an n-gram that the row's ids (R,L) already have."""
    if token_ids.shape[1] < size:
        return
    ngrams = token_ids.unfold(1, size, 1)  # (R,L-size+1,size)
    last = token_ids[:, token_ids.shape[1] - size + 1:]
    matches = (ngrams[..., :-1] == last[:, None]).all(dim=-1)
    rows, places = matches.nonzero(as_tuple=True)
    logits[rows, ngrams[rows, places, -1]] = FORBIDDEN


def forbid_sequence(logits: Tensor, token_ids: Tensor, sequence: Sequence[int]) -> None:
    """Set to -inf in (R,V) the last id of a sequence where rows (R,L) end in those before it."""
    *before, last = sequence
    if token_ids.shape[1] < len(before):
        return
    tail = token_ids[:, token_ids.shape[1] - len(before):]
    matches = (tail == torch.tensor(before, device=tail.device, dtype=tail.dtype)).all(dim=-1)
    logits[matches, last] = FORBIDDEN

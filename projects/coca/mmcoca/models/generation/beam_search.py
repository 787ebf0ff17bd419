# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Beam search, also in diverse groups, over all images at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .cached_decoder import CachedDecoder, Hypotheses, read_prefix
from .constraints import FORBIDDEN, Constraints
from .options import GenerationOptions


class Beams(NamedTuple):
    """Captions of A images in G groups of K beams, running or ended; the best of a group first.

    token_ids and log_probabilities (A,G,K,L) as in Hypotheses, scores (A,G,K).
    """

    token_ids: Tensor
    log_probabilities: Tensor
    scores: Tensor

    def of(self, images: Tensor) -> Beams:
        """Those of some images."""
        return Beams(*(field[images] for field in self))

    def best(self, count: int) -> tuple[Beams, Tensor]:
        """The best of each group, and their places (A,G,count)."""
        scores, places = self.scores.topk(count, dim=-1)
        return Beams(*(gather_beams(x, places) for x in self[:2]), scores), places


def gather_beams(x: Tensor, places: Tensor) -> Tensor:
    """(A,G,K,L) at places (A,G,N) -> (A,G,N,L)."""
    return x.gather(2, places[..., None].expand(*places.shape, x.shape[-1]))


@torch.no_grad()
def beam_search(
    decoder: CachedDecoder,
    constraints: Constraints,
    prefix: Tensor,
    end_id: int,
    pad_id: int,
    max_length: int,
) -> Hypotheses:
    """Prefix ids (B,P), start first -> the best `num_return_sequences` captions an image.

    Every step extends each beam by every token and keeps the best K of a group that go on; an
    extension by the end token is a caption. Images whose search is over leave the batch.
    """
    options = constraints.options
    batch_size, prefix_length = prefix.shape
    device = prefix.device
    beams = options.num_beams // options.num_beam_groups
    # Without a penalty every group would find the same: one is searched, and copied at the end.
    groups = options.num_beam_groups if options.diversity_penalty else 1
    logits, known = read_prefix(decoder, prefix)
    room = (0, max_length - prefix_length)
    shape = (batch_size, groups, beams)
    # Before the first step each group has one beam, the prefix, and they share the decoder's row.
    running = Beams(
        F.pad(prefix, room, value=pad_id)[:, None, None].expand(-1, groups, 1, -1),
        F.pad(known, room)[:, None, None].expand(-1, groups, 1, -1),
        known.sum(dim=1)[:, None, None].expand(-1, groups, 1),
    )
    rows = torch.arange(batch_size, device=device)[:, None, None].expand(-1, groups, 1)
    ended = Beams(
        torch.full((*shape, max_length), pad_id, device=device),
        known.new_zeros((*shape, max_length)),
        known.new_full(shape, FORBIDDEN),
    )
    output = Beams(*(field.clone() for field in ended))
    images = torch.arange(batch_size, device=device)  # those still searched
    for position in range(prefix_length, max_length):
        is_last = position + 1 == max_length
        extended, parents = extend(running, rows, logits, constraints, position, beams)
        is_caption = extended.token_ids[..., position] == end_id
        # Only one of the K best extensions becomes a caption, so that one beam is greedy search.
        captions = Beams(*(field[:, :, :beams] for field in extended))
        goes_on = torch.zeros_like(is_caption) if is_last else ~is_caption
        scores = captions.scores / position**options.length_penalty
        captions = captions._replace(scores=scores.masked_fill(goes_on[:, :, :beams], FORBIDDEN))
        ended, _ = Beams(*(torch.cat(pair, dim=2) for pair in zip(ended, captions))).best(beams)
        running, places = extended._replace(
            scores=extended.scores.masked_fill(is_caption, FORBIDDEN)
        ).best(beams)
        is_over = search_is_over(running, ended, options, position, max_length) | is_last
        for field, final in zip(output, ended):
            field[images[is_over]] = final[is_over]
        going_on = (~is_over).nonzero()[:, 0]
        if len(going_on) == 0:
            break
        rows = rows.gather(2, parents).gather(2, places)[going_on]
        everyone_stays = len(going_on) == len(images)
        decoder.select(rows.flatten(), None if everyone_stays else going_on)
        running, ended, images = running.of(going_on), ended.of(going_on), images[going_on]
        rows = torch.arange(rows.numel(), device=device).view(rows.shape)
        logits = decoder(running.token_ids[..., :position + 1].flatten(0, 2))[:, -1]
    copies = options.num_beam_groups // groups
    flat = Beams(*(field.flatten(1, 2).repeat_interleave(copies, 1)[:, None] for field in output))
    best, _ = flat.best(options.num_return_sequences)
    return Hypotheses(*(field[:, 0] for field in best))


def extend(
    running: Beams,
    rows: Tensor,
    logits: Tensor,
    constraints: Constraints,
    position: int,
    beams: int,
) -> tuple[Beams, Tensor]:
    """The best 2K extensions of each group, and the beams (A,G,2K) that they extend.

    2K, because at most K of them end: K are left to go on.

    Args:
        rows: (A,G,K) of each beam in the logits (R,V).
    """
    options = constraints.options
    so_far = running.token_ids[..., :position].flatten(0, 2)
    allowed = constraints.log_probabilities(logits[rows.flatten()], so_far)
    allowed = allowed.view(*rows.shape, -1)
    vocab_size = allowed.shape[-1]
    count = min(2 * beams, rows.shape[2] * vocab_size)
    earlier = allowed.new_zeros(len(rows), vocab_size)  # choices of the groups before
    scores, choices = [], []
    for group in range(rows.shape[1]):
        totals = running.scores[:, group, :, None] + allowed[:, group]
        if options.diversity_penalty and group:
            totals = totals - options.diversity_penalty * earlier[:, None]
        best = totals.flatten(1).topk(count, dim=-1)
        scores.append(best.values)
        choices.append(best.indices)
        if options.diversity_penalty:
            chosen = best.indices[:, :beams] % vocab_size
            earlier.scatter_add_(1, chosen, torch.ones_like(chosen, dtype=earlier.dtype))
    # Fewer than 2K, as a small vocabulary has at first, are filled up with impossible ones.
    missing = (0, 2 * beams - count)
    scores = F.pad(torch.stack(scores, dim=1), missing, value=FORBIDDEN)
    choices = F.pad(torch.stack(choices, dim=1), missing)
    parents, tokens = choices // vocab_size, choices % vocab_size
    token_ids = gather_beams(running.token_ids, parents)
    token_ids[..., position] = tokens
    log_probabilities = gather_beams(running.log_probabilities, parents)
    # The model's own, whatever the constraints made of it.
    chances = logits.log_softmax(dim=-1)
    log_probabilities[..., position] = chances[rows.gather(2, parents), tokens]
    return Beams(token_ids, log_probabilities, scores), parents


def search_is_over(
    running: Beams, ended: Beams, options: GenerationOptions, position: int, max_length: int
) -> Tensor:
    """For each of A images, whether its groups have K captions that no beam will surpass."""
    worst, best_running = ended.scores[..., -1], running.scores[..., 0]
    length = position
    if options.early_stopping == 'never' and options.length_penalty > 0:
        length = max_length - 1
    cannot_improve = best_running / length**options.length_penalty <= worst
    if options.early_stopping is True:
        cannot_improve = torch.ones_like(cannot_improve)
    is_over = (worst > FORBIDDEN) & cannot_improve | (best_running == FORBIDDEN)
    return is_over.all(dim=1)

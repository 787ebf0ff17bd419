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
    """Captions of B images in G groups of K beams, running or ended; the best of a group first.

    token_ids and log_probabilities (B,G,K,L) as in Hypotheses, scores (B,G,K).
    """

    token_ids: Tensor
    log_probabilities: Tensor
    scores: Tensor

    def of(self, images: Tensor) -> Beams:
        """Those of some images."""
        return Beams(*(field[images] for field in self))

    def best(self, count: int) -> tuple[Beams, Tensor]:
        """The best of each group, and their places (B,G,count)."""
        scores, places = self.scores.topk(count, dim=-1)
        return Beams(*(gather_beams(x, places) for x in self[:2]), scores), places


def gather_beams(x: Tensor, places: Tensor) -> Tensor:
    """(B,G,K,L) at places (B,G,count) -> (B,G,count,L)."""
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
    """Prefix ids (B,L), start first -> the best `num_return_sequences` captions an image.

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
    token_ids = prefix  # those of the decoder's rows
    ended = Beams(
        torch.full((*shape, max_length), pad_id, device=device),
        known.new_zeros((*shape, max_length)),
        known.new_full(shape, FORBIDDEN),
    )
    output = Beams(*(field.clone() for field in ended))
    images = torch.arange(batch_size, device=device)  # those still searched
    for position in range(prefix_length, max_length):
        is_last = position + 1 == max_length
        extended, parents = extend(running, rows, logits, constraints, token_ids, beams)
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
        token_ids = running.token_ids[..., :position + 1].flatten(0, 2)
        logits = decoder(token_ids)[:, -1]
    copies = options.num_beam_groups // groups
    flat = Beams(*(field.flatten(1, 2).repeat_interleave(copies, 1)[:, None] for field in output))
    best, _ = flat.best(options.num_return_sequences)
    return Hypotheses(*(field[:, 0] for field in best))


def extend(
    running: Beams,
    rows: Tensor,
    logits: Tensor,
    constraints: Constraints,
    so_far: Tensor,
    beams: int,
) -> tuple[Beams, Tensor]:
    """The best 2K extensions of each group, and the beams (B,G,2K) that they extend.

    2K, because at most K of them end: K are left to go on.

    Args:
        rows: (B,G,K) of each beam in the logits (R,V). so_far: Ids (R,L) of the rows.
    """
    own_normalizer = logits.logsumexp(dim=-1)
    allowed, normalizer = constraints.apply(logits, own_normalizer, so_far)
    penalty = constraints.options.diversity_penalty
    num_images, num_groups, num_running = rows.shape
    vocab_size = logits.shape[1]
    # A group's best are among the best of its beams, so that no sum is as wide as the logits.
    count = min(2 * beams, vocab_size)
    best_logits, best_ids = allowed.topk(count, dim=-1)
    earlier = logits.new_zeros(num_images, vocab_size)  # choices of the groups before
    scores, parents, tokens = [], [], []
    for group in range(num_groups):
        group_rows = rows[:, group]
        values, ids = best_logits[group_rows], best_ids[group_rows]
        if penalty and group:
            values, ids = (allowed[group_rows] - penalty * earlier[:, None]).topk(count, dim=-1)
        totals = running.scores[:, group, :, None] + values - normalizer[group_rows][..., None]
        best = totals.flatten(1).topk(min(2 * beams, num_running * count), dim=-1)
        scores.append(best.values)
        parents.append(best.indices // count)
        tokens.append(ids.flatten(1).gather(1, best.indices))
        if penalty:
            chosen = tokens[-1][:, :beams]
            earlier.scatter_add_(1, chosen, torch.ones_like(chosen, dtype=earlier.dtype))
    scores, parents, tokens = (torch.stack(x, dim=1) for x in (scores, parents, tokens))
    # Fewer than 2K, as a small vocabulary has at first, are filled up with impossible ones.
    missing = (0, 2 * beams - scores.shape[-1])
    scores = F.pad(scores, missing, value=FORBIDDEN)
    parents, tokens = F.pad(parents, missing), F.pad(tokens, missing)
    position = so_far.shape[1]
    token_ids = gather_beams(running.token_ids, parents)
    token_ids[..., position] = tokens
    log_probabilities = gather_beams(running.log_probabilities, parents)
    # The model's own, whatever the constraints made of it.
    chosen_rows = rows.gather(2, parents)
    log_probabilities[..., position] = logits[chosen_rows, tokens] - own_normalizer[chosen_rows]
    return Beams(token_ids, log_probabilities, scores), parents


def search_is_over(
    running: Beams, ended: Beams, options: GenerationOptions, position: int, max_length: int
) -> Tensor:
    """For each of B images, whether its groups have K captions that no beam will surpass."""
    worst, best_running = ended.scores[..., -1], running.scores[..., 0]
    length = position
    if options.early_stopping == 'never' and options.length_penalty > 0:
        length = max_length - 1
    cannot_improve = best_running / length**options.length_penalty <= worst
    if options.early_stopping is True:
        cannot_improve = torch.ones_like(cannot_improve)
    is_over = (worst > FORBIDDEN) & cannot_improve | (best_running == FORBIDDEN)
    return is_over.all(dim=1)

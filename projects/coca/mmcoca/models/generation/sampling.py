# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""One token after the other: the most probable, or drawn."""

from __future__ import annotations

import torch
from torch import Tensor

from .cached_decoder import CachedDecoder, Hypotheses, read_prefix
from .constraints import FORBIDDEN, Constraints
from .options import GenerationOptions


@torch.no_grad()
def sample(
    decoder: CachedDecoder,
    constraints: Constraints,
    prefix: Tensor,
    end_id: int,
    pad_id: int,
    max_length: int,
) -> Hypotheses:
    """Prefix ids (B,L), start first -> `num_return_sequences` captions an image.

    An image leaves the batch when all its captions have ended.
    """
    options = constraints.options
    batch_size, device = len(prefix), prefix.device
    count = options.num_return_sequences
    generator = None
    if options.seed is not None:
        generator = torch.Generator(device).manual_seed(options.seed)
    logits, known = read_prefix(decoder, prefix)
    decoder.select(torch.arange(batch_size, device=device).repeat_interleave(count))
    logits = logits.repeat_interleave(count, dim=0)
    shape = (batch_size, count, max_length)
    output = torch.full(shape, pad_id, device=device)
    output[..., :prefix.shape[1]] = prefix[:, None]
    log_probabilities = known.new_zeros(shape)
    log_probabilities[..., :prefix.shape[1]] = known[:, None]
    images = torch.arange(batch_size, device=device)  # those still being captioned
    ended = torch.zeros(batch_size, count, dtype=torch.bool, device=device)
    for position in range(prefix.shape[1], max_length):
        so_far = output[images, :, :position].flatten(0, 1)
        normalizer = logits.logsumexp(dim=-1)
        allowed, _ = constraints.apply(logits, normalizer, so_far)
        if options.do_sample:
            chosen = draw(allowed, options, count, generator)
        else:
            chosen = allowed.max(dim=-1).indices
        # The model's own, whatever the constraints made of it.
        chances = (logits.gather(1, chosen[:, None])[:, 0] - normalizer).view(-1, count)
        chosen = torch.where(ended[images], pad_id, chosen.view(-1, count))
        output[images, :, position] = chosen
        log_probabilities[images, :, position] = chances.masked_fill(ended[images], 0)
        ended[images] |= chosen == end_id
        going_on = (~ended[images]).any(dim=1).nonzero()[:, 0]
        if len(going_on) == 0 or position + 1 == max_length:
            break
        if len(going_on) < len(images):
            images = images[going_on]
            rows = going_on[:, None] * count + torch.arange(count, device=device)
            decoder.select(rows.flatten(), going_on)
        logits = decoder(output[images, :, :position + 1].flatten(0, 1))[:, -1]
    end = position + 1
    totals = log_probabilities.sum(dim=-1)
    order = totals.argsort(dim=1, descending=True)[..., None].expand(-1, -1, end)
    return Hypotheses(
        output[..., :end].gather(1, order),
        log_probabilities[..., :end].gather(1, order),
        totals.sort(dim=1, descending=True).values,
    )


def draw(
    allowed: Tensor, options: GenerationOptions, count: int, generator: torch.Generator | None
) -> Tensor:
    """One id (R,) for each row of logits (R,V), `count` rows an image.

    The largest of the logits plus Gumbel noise is a draw from their softmax. With a seed all
    images have the same noise, so that a caption does not depend on the rest of its batch.
    """
    logits, token_ids = most_probable(allowed, options)
    rows, choices = logits.shape
    noise = logits.new_empty((rows if generator is None else count, choices))
    noise.exponential_(generator=generator)
    places = (logits.view(-1, len(noise), choices) - noise.log()).argmax(dim=-1).view(rows, 1)
    return token_ids.gather(1, places)[:, 0]


def most_probable(logits: Tensor, options: GenerationOptions) -> tuple[Tensor, Tensor]:
    """Logits (R,V) -> over the temperature, what top_k and top_p keep (R,kept), and the ids.

    -inf for those within the k that are beyond p.
    """
    rows, vocab_size = logits.shape
    top_k, top_p = min(options.top_k or vocab_size, vocab_size), options.top_p
    token_ids = torch.arange(vocab_size, device=logits.device).expand(rows, -1)
    if top_k < vocab_size or top_p < 1:
        logits, token_ids = logits.topk(top_k, dim=-1)  # sorted, the largest first
    logits = logits / options.temperature
    if top_p < 1:
        chances = logits.softmax(dim=-1)
        is_beyond = chances.cumsum(dim=-1) - chances >= top_p
        logits = logits.masked_fill(is_beyond, FORBIDDEN)
    return logits, token_ids

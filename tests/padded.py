# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The text decoder on padded batches, as tests compare it with other implementations."""

import torch

from mmcoca.models.layers import Packing
from mmcoca.models.text import TextBatch


def unimodal(text, token_ids, lengths):
    """Ids (B,L), lengths (B,) -> states (B,L,D) of the texts, zeros for padding, features (B,D)."""
    texts = text.lay_out(TextBatch(token_ids, lengths))
    states, features = text.unimodal(texts)
    rows, _ = texts.whole
    packing = Packing.of(lengths.numpy(), token_ids.shape[1])
    return packing.pad(states[rows]), features


def multimodal(text, states, image_tokens, lengths):
    """Unimodal states (B,L,D), image tokens (B,Q,D), lengths (B,) -> states, zeros for padding."""
    packing = Packing.of(lengths.numpy(), states.shape[1])
    return packing.pad(text.multimodal(packing.pack(states), image_tokens, packing))


def captioning_loss(head, states, token_ids, lengths):
    """States (B,L-1,D) of all tokens but the last, ids (B,L), lengths (B,) -> the loss."""
    is_target = torch.arange(1, token_ids.shape[1]) < lengths[:, None]
    return head.loss(states[is_target], token_ids[:, 1:][is_target])['loss_captioning']

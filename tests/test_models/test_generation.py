# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import torch

from mmcoca.models.generation import greedy_search


def plain_greedy(model, regional_tokens, min_length, max_length):
    """Greedy decoding of one image without any cache: the whole prefix again for each token."""
    token_ids = [model.tokenizer.start_id]
    while len(token_ids) < max_length and token_ids[-1] != model.tokenizer.end_id:
        prefix, length = torch.tensor([token_ids]), torch.tensor([len(token_ids)])
        states, _ = model.text.unimodal(prefix, length)
        states = model.text.multimodal(states, regional_tokens, length)
        logits = model.captioning_head(states[0, -1])
        if len(token_ids) <= min_length:
            logits[model.tokenizer.end_id] = -torch.inf
        token_ids.append(int(logits.argmax()))
    return token_ids


def decode(model, regional_tokens, **options):
    tokenizer = model.tokenizer
    ids = (tokenizer.start_id, tokenizer.end_id, tokenizer.pad_id)
    return greedy_search(model.text, model.captioning_head, regional_tokens, *ids, **options)


@torch.no_grad()
def test_cached_batch_equals_plain_decoding_of_each_image(tiny_model, images):
    tiny_model = tiny_model.double()
    # An untrained model ends no caption: make the end token likely, so that rows end at
    # different times.
    tiny_model.captioning_head.weight[tiny_model.tokenizer.end_id] *= 3
    regional_tokens = tiny_model.pool(
        images.double().repeat(4, 1, 1, 1) * torch.arange(1, 17).view(-1, 1, 1, 1)
    )[1]
    lengths = set()
    for options in (dict(min_length=0, max_length=24), dict(min_length=5, max_length=9)):
        token_ids = decode(tiny_model, regional_tokens, **options)
        for row in range(len(regional_tokens)):
            expected = plain_greedy(tiny_model, regional_tokens[row, None], **options)
            assert token_ids[row, :len(expected)].tolist() == expected
            assert (token_ids[row, len(expected):] == tiny_model.tokenizer.pad_id).all()
            lengths.add(len(expected))
    assert len(lengths) > 1  # else the test would not see rows leave the batch


@torch.no_grad()
def test_lengths_are_kept(tiny_model, images):
    regional_tokens = tiny_model.pool(images)[1]
    tiny_model.captioning_head.weight.zero_()
    tiny_model.text.multimodal.norm.bias.fill_(1.0)
    tiny_model.captioning_head.weight[tiny_model.tokenizer.end_id] = 1.0  # always the likeliest
    assert decode(tiny_model, regional_tokens, max_length=8).shape == (4, 2)
    token_ids = decode(tiny_model, regional_tokens, min_length=3, max_length=8)
    assert token_ids.shape == (4, 5) and (token_ids[:, -1] == tiny_model.tokenizer.end_id).all()
    assert len(tiny_model.generate(images, max_length=4)) == 4

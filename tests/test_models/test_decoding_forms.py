# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The forms of modules for decoding against the modules themselves."""

import pytest
import torch
from torch import nn

from mmcoca.models import CaptioningHead, DecoupledTextDecoder
from mmcoca.models.generation.cached_decoder import CachedDecoder
from mmcoca.models.generation.decoding_forms import (
    PackedLinear,
    choose_forms,
    is_memory_left,
)
from mmcoca.models.layers import UnprojectedMemory

LAYOUTS = dict(
    paper={},
    open_clip=dict(
        unimodal=dict(type='mmcoca.FixedLengthUnimodalDecoder'),
        multimodal=dict(type='mmcoca.TwoMLPMultimodalDecoder'),
    ),
    normalised_keys=dict(attention_cfg=dict(qk_norm=True)),
    capped=dict(attention_cfg=dict(logit_soft_cap=2.0)),
)


def make_decoder(layout, dtype):
    """A random decoder whose image tokens have another width than its text, and its head."""
    torch.manual_seed(0)
    text = DecoupledTextDecoder(40, 16, 2, 32, 2, 2, 12, memory_dims=24, **LAYOUTS[layout])
    head = CaptioningHead(dict(type='mmcoca.CaptioningLoss'), vocab_size=40, dims=16)
    for parameter in text.parameters():
        nn.init.normal_(parameter, std=0.3)  # biases and norms too
    return text.to(dtype).eval(), head.to(dtype)


@torch.no_grad()
def logits_of_steps(text, head, image_tokens, rows_per_image):
    """A prefix of three tokens, two steps, and one more after images have left."""
    decoder = CachedDecoder(text, head, image_tokens, 12, rows_per_image)
    rows = torch.arange(len(image_tokens)).repeat_interleave(rows_per_image)
    token_ids = torch.randint(1, 40, (len(rows), 8), generator=torch.Generator().manual_seed(0))
    logits = [decoder(token_ids[::rows_per_image, :3])[:, -1]]
    decoder.select(rows)
    logits += [decoder(token_ids[:, :length])[:, -1] for length in (4, 5)]
    kept = torch.tensor([3, 7])
    rows = (kept[:, None] * rows_per_image + torch.arange(rows_per_image)).flatten()
    decoder.select(rows, kept)
    return [*logits, decoder(token_ids[rows, :6])[:, -1]]


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('dtype, tolerance', [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize('rows_per_image', [1, 3])
def test_same_logits_in_every_step(monkeypatch, layout, dtype, tolerance, rows_per_image):
    text, head = make_decoder(layout, dtype)
    image_tokens = torch.randn(8, 5, 24, dtype=dtype)
    found = logits_of_steps(text, head, image_tokens, rows_per_image)
    module = 'mmcoca.models.generation.cached_decoder'
    monkeypatch.setattr(f'{module}.choose_forms', lambda *arguments: {})
    monkeypatch.setattr(f'{module}.is_memory_left', lambda *arguments: False)
    expected = logits_of_steps(text, head, image_tokens, rows_per_image)
    for of_step, expected_of_step in zip(found, expected, strict=True):
        torch.testing.assert_close(of_step, expected_of_step, rtol=0, atol=tolerance)


def test_the_model_stays_as_it_is_and_its_weights_are_read_anew():
    text, head = make_decoder('paper', torch.float32)
    image_tokens = torch.randn(8, 5, 24)
    before = {name: value.clone() for name, value in text.state_dict().items()}
    modules = [type(module) for module in text.modules()]
    first = logits_of_steps(text, head, image_tokens, 1)
    assert [type(module) for module in text.modules()] == modules
    assert all(torch.equal(value, before[name]) for name, value in text.state_dict().items())
    for parameter in (*text.parameters(), head.weight):
        parameter.data.mul_(2)
    again = logits_of_steps(text, head, image_tokens, 1)
    assert all((a - b).abs().mean() > 0.1 for a, b in zip(first, again))


@pytest.mark.parametrize(
    'images, rows_per_image, dtype, max_length, expected, is_left', [
        (8, 1, torch.float32, 20, {nn.Linear, CaptioningHead}, True),
        (4, 6, torch.float32, 20, {nn.Linear, CaptioningHead}, False),
        (4, 1, torch.float32, 20, set(), True),
        (8, 1, torch.float32, 4, set(), True),
        (8, 1, torch.float64, 20, set(), True),
        (8, 1, torch.bfloat16, 20, set(), False),
    ]
)  # yapf: disable
def test_which_forms(images, rows_per_image, dtype, max_length, expected, is_left):
    image_tokens = torch.zeros(images, 5, 24, dtype=dtype)
    assert set(choose_forms(image_tokens, rows_per_image, max_length)) == expected
    assert is_memory_left(image_tokens, rows_per_image) == is_left
    with torch.autocast('cpu', torch.bfloat16):
        assert choose_forms(image_tokens, rows_per_image, max_length) == {}
        assert not is_memory_left(image_tokens, rows_per_image)


def test_forms_are_in_place():
    """Every linear layer is packed, every memory without keys and values."""
    text, head = make_decoder('open_clip', torch.float32)
    decoder = CachedDecoder(text, head, torch.zeros(8, 5, 24), 20, 1)
    kinds = [type(module) for module in nn.ModuleList([decoder.text, decoder.head]).modules()]
    # 2 unimodal layers of 4 products, 2 multimodal ones of 8, and the head.
    assert kinds.count(PackedLinear) == 2 * 4 + 2 * 8 + 1
    assert kinds.count(nn.Linear) == 2  # for keys and values, which are made before
    assert [type(memory) for memory in decoder.memory] == [UnprojectedMemory] * 2


def test_autocast_takes_the_modules_themselves():
    text, head = make_decoder('paper', torch.float32)
    with torch.autocast('cpu', torch.bfloat16):
        found = logits_of_steps(text, head, torch.randn(8, 5, 24), 1)
    assert all(step.isfinite().all() for step in found)

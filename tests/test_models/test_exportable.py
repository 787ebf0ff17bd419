# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""torch.export of a model's parts, with other batches and lengths than they were exported with."""

import copy

import pytest
import torch
from mmpretrain.registry import MODELS
from torch.export import Dim, export

from mmcoca.models.exportable import DecodingStep, ImageEncoder, ImageMemory, TextEncoder
from mmcoca.models.generation.cached_decoder import CachedDecoder

CAPTIONS = ['a much longer text about nothing at all', 'cat', 'red circle', 'key', 'two dogs']
DECODERS = dict(
    paper={},
    several_cls=dict(unimodal=dict(type='mmcoca.AggregatingUnimodalDecoder', num_cls_tokens=2)),
    cls_and_text=dict(
        unimodal=dict(type='mmcoca.AggregatingUnimodalDecoder', with_text_tokens=True)
    ),
    open_clip=dict(
        unimodal=dict(type='mmcoca.FixedLengthUnimodalDecoder'),
        multimodal=dict(type='mmcoca.TwoMLPMultimodalDecoder'),
    ),
    capped=dict(attention_cfg=dict(logit_soft_cap=5.0)),
)
BATCH, LENGTH = Dim('batch'), Dim('length')


def build(cfg, decoder):
    cfg = copy.deepcopy(cfg)
    cfg.model.text.update(DECODERS[decoder], num_unimodal_layers=2, num_multimodal_layers=2)
    torch.manual_seed(0)
    return MODELS.build(cfg.model).double().eval()


@pytest.fixture(params=DECODERS)
def model(tiny_config, request):
    return build(tiny_config, request.param)


@torch.no_grad()
def test_image_encoder(tiny_config):
    model = build(tiny_config, 'paper')
    images = torch.randn(5, 3, 32, 32, dtype=torch.double)
    program = export(ImageEncoder(model), (images[:2], ), dynamic_shapes=({0: BATCH}, )).module()
    embeddings, regional_tokens = program(images)
    torch.testing.assert_close(embeddings, model.encode_image(images), rtol=0, atol=1e-6)
    torch.testing.assert_close(regional_tokens, model.pool(images)[1], rtol=0, atol=1e-6)


@torch.no_grad()
def test_text_encoder(model):
    inputs = tuple(model.tokenizer(CAPTIONS[1:3]))
    shapes = ({0: BATCH, 1: LENGTH}, {0: BATCH})
    program = export(TextEncoder(model), inputs, dynamic_shapes=shapes).module()
    for captions in (CAPTIONS, CAPTIONS[3:], ['so many words ' * 40, 'cat']):
        found = program(*model.tokenizer(captions))
        torch.testing.assert_close(found, model.encode_text(captions), rtol=0, atol=1e-6)


@torch.no_grad()
def test_decoding_step(model):
    images = torch.randn(3, 3, 32, 32, dtype=torch.double)
    regional_tokens = model.pool(images)[1]
    memory = ImageMemory(model)
    shapes = ({0: BATCH}, )
    memory_program = export(memory, (regional_tokens[:2], ), dynamic_shapes=shapes).module()
    torch.testing.assert_close(memory_program(regional_tokens), memory(regional_tokens))
    module = DecodingStep(model)
    token_ids = torch.tensor([[1, 5, 9, 4, 7], [1, 6, 6, 3, 8], [1, 0, 2, 9, 4]])
    # Exported with two captions of four tokens, three of them cached.
    caches, two = module.empty_caches(2), memory(regional_tokens[:2])
    for length in range(1, 4):
        _, caches = module(token_ids[:2, :length], caches, two)
    rows, cached = Dim('rows'), Dim('cached', min=1, max=model.text.max_length - 1)
    program = export(
        module,
        (token_ids[:2, :4].contiguous(), caches, two),
        dynamic_shapes=({0: rows, 1: cached + 1}, {2: rows, 4: cached}, {2: rows}),
    ).module()
    decoder = CachedDecoder(model.text, model.captioning_head, regional_tokens, 8, 1)
    decoder(token_ids[:, :1])
    _, caches = module(token_ids[:, :1], module.empty_caches(3), memory(regional_tokens))
    for length in range(2, 6):
        expected = decoder(token_ids[:, :length])[:, -1]
        logits, caches = program(token_ids[:, :length], caches, memory_program(regional_tokens))
        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-6)

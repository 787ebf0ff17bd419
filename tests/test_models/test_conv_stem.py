# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The convolutional patch embedding, alone and in the encoder."""

import pytest
import torch
import torch.nn.functional as F

from mmcoca.models import CoCaViT, ConvStem

ARCH = dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=32)


def build_encoder(**kwargs):
    return CoCaViT(ARCH, img_size=24, patch_size=4, **kwargs)


def test_stem_equals_convolutions_norms_and_relus_by_hand():
    torch.manual_seed(0)
    stem = ConvStem(16, channels=(8, 24), strides=(1, 2, 2))
    parameters = dict(stem.named_parameters())
    x = images = torch.randn(2, 3, 24, 24)
    for i, stride in enumerate((1, 2, 2)):
        norm = 3 * i + 1
        x = F.conv2d(x, parameters[f'{3 * i}.weight'], stride=stride, padding=1)
        x = F.group_norm(x, 8, parameters[f'{norm}.weight'], parameters[f'{norm}.bias'])
        if i < 2:
            x = x.relu()
    assert x.shape == (2, 16, 6, 6)
    torch.testing.assert_close(stem(images), x)


def test_encoder_with_a_stem_returns_as_many_tokens_and_trains_it():
    encoder = build_encoder(stem=dict(type='mmcoca.ConvStem', channels=(8, ), strides=(2, 2)))
    encoder.init_weights()
    tokens, = encoder(torch.randn(3, 3, 24, 24))
    assert tokens.shape == (3, 36, 16)
    tokens.square().sum().backward()
    for name, parameter in encoder.patch_embed.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


def test_an_image_does_not_depend_on_its_neighbours():
    torch.manual_seed(0)
    encoder = build_encoder(stem=dict(type='mmcoca.ConvStem', channels=(8, 8)))
    images = torch.randn(3, 3, 24, 24)
    torch.testing.assert_close(encoder(images)[0][:1], encoder(images[:1])[0])


def test_contradictions_name_both_values():
    with pytest.raises(ValueError, match='2 strides for 2 channels'):
        ConvStem(16, channels=(8, 8), strides=(2, 2))
    with pytest.raises(ValueError, match='8 pixels a token, but the patch size is 4'):
        build_encoder(stem=dict(type='mmcoca.ConvStem', strides=(2, 2, 2)))

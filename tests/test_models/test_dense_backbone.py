# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The image encoder and its pyramid as detectors use them."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from test_backbone import build
from torch import nn

from mmcoca.engine.layer_decay import depth_in_encoder
from mmcoca.models import SimpleFeaturePyramid
from mmcoca.models.backbones.windows import Windows
from mmcoca.weights import read_state_dict

MAPS = dict(out_type='featmap')


def draw(height, width, batch_size=2):
    return torch.randn(batch_size, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('size', [1, 3, 4, 9])
def test_windows_are_full_and_every_patch_is_read_back(size):
    for height, width in itertools.product([1, 4, 7], [3, 8]):
        windows = Windows.of(height, width, size, torch.device('cpu'))
        tokens = torch.randn(2, height * width, 5)
        split = windows.split(tokens)
        rows, columns = min(size, height), min(size, width)
        count = -(-height // rows) * -(-width // columns)
        assert split.shape == (2 * count, rows * columns, 5)
        assert torch.equal(windows.join(split, 2), tokens)
        for window in windows.patches.reshape(count, -1):
            square = window.reshape(rows, columns)
            top, left = divmod(int(square[0, 0]), width)
            assert top + rows <= height and left + columns <= width
            expected = torch.arange(height * width).reshape(height, width)
            assert torch.equal(square, expected[top:top + rows, left:left + columns])


@pytest.mark.parametrize('sides', [(32, 32), (24, 56), (30, 41)])
def test_one_window_over_the_image_equals_global_attention(sides):
    images = draw(*sides)
    windowed, plain = build(**MAPS, window_size=7), build(**MAPS)
    torch.testing.assert_close(windowed(images), plain(images))
    assert not torch.allclose(build(**MAPS, window_size=2)(images)[0], plain(images)[0])


def test_layers_attend_within_windows_but_for_the_global_ones():
    model = build(**MAPS, window_size=2, global_layers=[1])
    images = draw(32, 48)
    tokens, (rows, columns) = model.embed_patches(images)
    assert (rows, columns) == (4, 6)
    for number, layer in enumerate(model.layers):
        if number == 1:
            tokens = layer(tokens)
            continue
        old = tokens.unflatten(1, (rows, columns))
        new = torch.empty_like(old)
        for top, left in itertools.product(range(0, rows, 2), range(0, columns, 2)):
            place = (slice(None), slice(top, top + 2), slice(left, left + 2))
            new[place] = layer(old[place].flatten(1, 2)).unflatten(1, (2, 2))
        tokens = new.flatten(1, 2)
    expected = model.ln1(tokens).mT.unflatten(2, (rows, columns))
    torch.testing.assert_close(model(images)[0], expected)


def test_any_size_is_padded_to_whole_patches():
    model = build(**MAPS)
    images = draw(33, 50)
    (result, ) = model(images)
    assert result.shape == (2, 32, 5, 7)
    assert torch.equal(result, model(F.pad(images, (0, 6, 0, 7)))[0])
    grid = model.pos_embed.unflatten(1, (4, 4)).permute(0, 3, 1, 2)
    positions = F.interpolate(grid, size=(5, 7), mode='bicubic').flatten(2).mT
    embedded = model.patch_embed(F.pad(images, (0, 6, 0, 7)))[0]
    torch.testing.assert_close(model.embed_patches(images)[0], embedded + positions)


def test_maps_at_chosen_layers_and_intermediate_layers():
    images = draw(32, 32)
    model = build(**MAPS, out_indices=[0, 2])
    first, last = model(images)
    assert first.shape == last.shape == (2, 32, 4, 4)
    options = dict(n=[2, 0], reshape=True)
    assert torch.equal(first, model.get_intermediate_layers(images, **options, norm=False)[0])
    assert torch.equal(last, model.get_intermediate_layers(images, **options)[1])
    with_class_token = build(with_cls_token=True)
    second, third = with_class_token.get_intermediate_layers(images, n=2)
    assert second.shape == (2, 16, 32)
    assert torch.equal(third, with_class_token(images)[0][:, 1:])
    for n in (0, 4, [3], []):
        with pytest.raises(ValueError, match='there are 3 layers'):
            model.get_intermediate_layers(images, n=n)


def test_layers_that_compute_again_have_the_same_gradients():
    gradients, outputs = [], []
    for with_cp in (False, True):
        model = build(True, **MAPS, window_size=3, drop_path_rate=0.4, with_cp=with_cp)
        calls = []
        model.layers[0].ffn.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        torch.manual_seed(1)
        (output, ) = model(draw(40, 32))
        output.square().sum().backward()
        assert len(calls) == 1 + with_cp
        outputs.append(output)
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert torch.equal(*outputs)
    for kept, computed_again in zip(*gradients):
        assert torch.equal(kept, computed_again)


@pytest.mark.parametrize(
    'options, message', [
        (dict(window_size=2, with_cls_token=True), 'a class token is in no window'),
        (dict(window_size=2, patch_dropout=0.5), 'window_size'),
    ]
)
def test_contradictions_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_the_encoder_of_a_coca_checkpoint_at_another_size():
    """By its prefix, with position embeddings for the new size."""
    init_default_scope('mmpretrain')
    path = 'mmcoca://coca_small_icons/model.safetensors'
    backbone = dict(
        type='mmcoca.CoCaViT',
        arch=dict(embed_dims=192, num_layers=4, num_heads=6, feedforward_channels=768),
        img_size=192,
        patch_size=8,
        stem=dict(type='mmcoca.ConvStem', channels=(64, 64, 128, 192), strides=(2, 1, 2, 1, 2)),
        layer_scale_init_value=0.01,
        window_size=6,
        **MAPS,
        init_cfg=dict(type='Pretrained', checkpoint=path, prefix='backbone.'),
    )
    model = MODELS.build(backbone)
    model.init_weights()
    weights = read_state_dict(path)
    for name, tensor in model.state_dict().items():
        if name == 'pos_embed':
            grid = weights['backbone.pos_embed'].float().unflatten(1, (6, 6)).permute(0, 3, 1, 2)
            expected = F.interpolate(grid, size=(24, 24), mode='bicubic').flatten(2).mT
            torch.testing.assert_close(tensor, expected, atol=2e-3, rtol=1e-2)  # 16 bits
        else:
            assert torch.equal(tensor, weights[f'backbone.{name}'].to(tensor.dtype)), name


class Detector(nn.Module):
    """An encoder of ours inside another model."""

    def __init__(self):
        super().__init__()
        self.backbone = build(**MAPS)
        self.neck = SimpleFeaturePyramid(32, 8)


def test_layer_wise_decay_of_an_encoder_inside_a_detector():
    init_default_scope('mmpretrain')
    model = Detector()
    wrapper = build_optim_wrapper(
        model,
        dict(
            constructor='mmcoca.LayerDecayConstructor',
            optimizer=dict(type='AdamW', lr=1.0, weight_decay=0.1),
            paramwise_cfg=dict(layer_decay_rate=0.5),
        ),
    )
    rates = {group['param_name']: group['lr'] for group in wrapper.optimizer.param_groups}
    assert set(rates) == {name for name, _ in model.named_parameters()}
    for name, rate in rates.items():
        depth = 4
        if name.startswith('backbone.layers.'):
            depth = 1 + int(name.split('.')[2])
        elif name.startswith('backbone.') and not name.startswith('backbone.ln1'):
            depth = 0
        assert rate == 0.5**(4 - depth), name
    with pytest.raises(ValueError, match='Linear has no encoder'):
        depth_in_encoder(nn.Linear(1, 1))


def test_layer_wise_decay_takes_tied_weights_once():
    init_default_scope('mmpretrain')
    model = Detector()
    model.backbone.layers[1].ln1.weight = model.backbone.layers[0].ln1.weight
    decay = dict(
        constructor='mmcoca.LayerDecayConstructor',
        optimizer=dict(type='AdamW', lr=1.0, weight_decay=0.1),
        paramwise_cfg=dict(layer_decay_rate=0.5),
    )
    groups = build_optim_wrapper(model, decay).optimizer.param_groups
    names = [group['param_name'] for group in groups]
    assert names == [name for name, _ in model.named_parameters()]
    assert 'backbone.layers.0.ln1.weight' in names


def test_simple_feature_pyramid():
    torch.manual_seed(0)
    pyramid = SimpleFeaturePyramid(32, 8)
    maps = pyramid((torch.zeros(1), torch.randn(2, 32, 6, 10)))
    assert [tuple(x.shape[1:])
            for x in maps] == [(8, 24, 40), (8, 12, 20), (8, 6, 10), (8, 3, 5), (8, 2, 3)]
    assert torch.equal(maps[4], maps[3][:, :, ::2, ::2])
    sum(x.square().sum() for x in maps[:4]).backward()
    assert all(parameter.grad is not None for parameter in pyramid.parameters())
    with pytest.raises(ValueError, match='scale 8'):
        SimpleFeaturePyramid(32, scales=(8, ))
    with pytest.raises(ValueError, match='num_outs=3 of 4 scales'):
        SimpleFeaturePyramid(32, num_outs=3)

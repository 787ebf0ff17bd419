# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from functools import partial

import pytest
import timm.optim.muon as timm_muon
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import nn

from mmcoca.engine import Muon
from mmcoca.engine import muon as mmcoca_muon

RECIPE = dict(
    type='OptimWrapper',
    constructor='mmcoca.MuonConstructor',
    optimizer=dict(type='mmcoca.Muon', lr=0.01, fallback_lr_scale=0.5),
)


@pytest.fixture
def recipe(tiny_config: Config) -> dict:
    """The tiny recipe's optimizer, as its config has it."""
    init_default_scope('mmpretrain')
    return tiny_config.optim_wrapper


def test_every_parameter_of_the_tiny_model_is_in_one_group(tiny_model, recipe):
    optimizer = build_optim_wrapper(tiny_model, recipe).optimizer
    assert isinstance(optimizer, Muon)
    matrices, rest, scalars = optimizer.param_groups
    assert [group['use_fallback'] for group in optimizer.param_groups] == [False, True, True]
    assert [group['weight_decay'] > 0 for group in optimizer.param_groups] == [True, True, False]
    (temperature, ) = scalars['params']
    assert temperature is tiny_model.contrastive_head.logit_scale
    ids = [id(p) for group in optimizer.param_groups for p in group['params']]
    assert sorted(ids) == sorted(id(p) for p in tiny_model.parameters())
    names = {id(p): name for name, p in tiny_model.named_parameters()}
    assert all(p.ndim >= 2 for p in matrices['params'])
    matrix_names = {names[id(p)] for p in matrices['params']}
    assert 'text.unimodal.layers.0.mlp.0.weight' in matrix_names
    assert 'backbone.layers.0.attn.qkv.weight' in matrix_names
    rest_names = {names[id(p)] for p in rest['params']}
    assert {
        'text.unimodal.token_embedding.weight',
        'text.unimodal.position_embedding',
        'captioning_head.weight',
        'neck.captioning_pooler.queries',
        'backbone.pos_embed',
    } <= rest_names


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('shape', [(64, 64), (96, 32), (32, 96), (16, 8, 3, 3)])
def test_steps_are_timms_in_either_precision(dtype, shape, monkeypatch):
    """A matrix, a vector and, in the group for AdamW, a table of embeddings.

    timm has bfloat16 alone: its iterations are asked for float32 to compare there.
    """
    monkeypatch.setattr(mmcoca_muon, 'computes_in_bfloat16', lambda _: dtype == torch.bfloat16)
    monkeypatch.setattr(
        timm_muon,
        'zeropower_via_newtonschulz',
        partial(timm_muon.zeropower_via_newtonschulz, dtype=dtype),
    )
    options = dict(lr=0.01, weight_decay=0.1, betas=(0.9, 0.98), fallback_lr_scale=0.5)
    generator = torch.Generator().manual_seed(0)
    starts = [torch.randn(size, generator=generator) for size in (shape, (12, ), (16, 8))]
    runs = []
    for build in (Muon, partial(timm_muon.Muon, nesterov=True)):
        parameters = [nn.Parameter(start.clone()) for start in starts]
        groups = [dict(params=parameters[:2]), dict(params=parameters[2:], use_fallback=True)]
        runs.append((parameters, build(groups, **options)))
    for _ in range(3):
        gradients = [torch.randn(start.shape, generator=generator) for start in starts]
        for parameters, optimizer in runs:
            for parameter, gradient in zip(parameters, gradients):
                parameter.grad = gradient.clone()
            optimizer.step()
    for start, ours, timms in zip(starts, runs[0][0], runs[1][0]):
        assert not torch.equal(ours, start)
        assert torch.equal(ours, timms)


@pytest.mark.parametrize('bfloat16', [False, True])
def test_a_step_on_a_matrix_is_orthogonal_whatever_the_gradient(bfloat16, monkeypatch):
    """It comes near the product of the singular vectors, by an exact decomposition."""
    monkeypatch.setattr(mmcoca_muon, 'computes_in_bfloat16', lambda _: bfloat16)
    layer = nn.Linear(64, 64, bias=False)
    wrapper = build_optim_wrapper(layer, RECIPE)
    before = layer.weight.detach().clone()
    torch.manual_seed(0)
    left, right = torch.linalg.qr(torch.randn(2, 64, 64))[0]
    layer.weight.grad = left @ torch.diag(torch.logspace(-1, 1, 64)) @ right
    wrapper.step()
    step = (before - layer.weight.detach()) / (0.01 * 0.2 * 64**0.5)
    singular_values = torch.linalg.svdvals(step)
    assert 0.5 < singular_values.min() and singular_values.max() < 1.4
    torch.testing.assert_close(step, left @ right, atol=0.2, rtol=0)


def test_frozen_parameters_are_left_out():
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    model[0].requires_grad_(False)
    groups = build_optim_wrapper(model, RECIPE).optimizer.param_groups
    assert [p.shape for group in groups for p in group['params']] == [(8, 8), (8, )]


def test_paramwise_options_are_an_error():
    recipe = dict(RECIPE, paramwise_cfg=dict(bias_lr_mult=2.0))
    with pytest.raises(ValueError, match='takes no paramwise_cfg'):
        build_optim_wrapper(nn.Linear(8, 8), recipe)

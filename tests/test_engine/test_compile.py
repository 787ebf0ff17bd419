# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The compiled losses are those of eager mode, in one graph, for captions of any length."""

import copy
import shutil

import pytest
import torch
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch._dynamo.testing import CompileCounterWithBackend

WORDS = 'a red circle on the left of two green keys and one small yellow cat'.split()
DECODERS = dict(
    paper=dict(token_multiple=64),
    open_clip=dict(
        token_multiple=64,
        unimodal=dict(type='mmcoca.FixedLengthUnimodalDecoder'),
        multimodal=dict(type='mmcoca.TwoMLPMultimodalDecoder'),
    ),
)


def small(cfg, **options):
    """The tiny model with a layer of each kind, and without the stem that takes most of its time.
    """
    cfg = copy.deepcopy(cfg)
    cfg.model.text.update(num_unimodal_layers=1, num_multimodal_layers=1, **options)
    cfg.model.backbone.arch.num_layers = 1
    cfg.model.backbone.stem = None
    torch.manual_seed(0)
    return MODELS.build(cfg.model).train()


def captions(longest):
    """Four of different lengths, the longest of so many words."""
    return [' '.join(WORDS[:max(1, longest - i)]) for i in range(4)]


def step(model, images, texts):
    model.zero_grad()
    losses = model(images, [DataSample(gt_caption=text) for text in texts], mode='loss')
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    return losses, [p.grad.clone() for p in model.parameters() if p.grad is not None]


def compare(eager, model, images, lengths, tolerance):
    """Losses and gradients of both, for batches whose longest captions have so many words."""
    for longest in lengths:
        expected, gradients = step(eager, images, captions(longest))
        found, of_compiled = step(model, images, captions(longest))
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=tolerance, atol=0)
        largest = max(gradient.abs().max() for gradient in gradients)
        for ours, theirs in zip(of_compiled, gradients, strict=True):
            assert (ours - theirs).abs().max() <= tolerance * largest


@pytest.mark.parametrize('decoder', DECODERS)
def test_one_graph_serves_many_lengths(tiny_config, images, decoder):
    """In float64, by the compiler's tracing alone, without its code generation."""
    eager, model = (small(tiny_config, **DECODERS[decoder]).double() for _ in range(2))
    torch._dynamo.reset()
    counter = CompileCounterWithBackend('aot_eager')
    model.losses = torch.compile(model.losses, backend=counter, fullgraph=True)
    compare(eager, model, images.double(), (3, 9, 14, 4, 12), 1e-9)
    assert counter.frame_count <= 3  # graphs, for five lengths


@pytest.mark.skipif(shutil.which('c++') is None, reason='torch.compile needs a C++ compiler')
def test_generated_code(tiny_config, images):
    """In float32; without the tiny model's batch norm, which makes much of rounding."""
    cfg = copy.deepcopy(tiny_config)
    cfg.model.contrastive_head.norm_cfg = None
    eager, model = (small(cfg, **DECODERS['paper']) for _ in range(2))
    torch._dynamo.reset()
    model.losses = torch.compile(model.losses, fullgraph=True, dynamic=True)
    compare(eager, model, images, (3, 9, 14), 1e-5)


def test_by_a_line_of_the_config(runner_config, train):
    cfg = runner_config
    cfg.model.text.update(num_unimodal_layers=1, num_multimodal_layers=1)
    cfg.model.backbone.arch.num_layers = 1
    cfg.model.backbone.stem = None
    cfg.optim_wrapper.type = 'mmcoca.OptimWrapper'
    expected = train(cfg, 'eager').message_hub.log_scalars['train/loss'].data[0]
    cfg.default_hooks.compile = dict(type='mmcoca.CompileHook', backend='aot_eager')
    runner = train(cfg, 'compiled')
    assert 'losses' in vars(runner.model)
    found = runner.message_hub.log_scalars['train/loss'].data[0]
    assert found == pytest.approx(expected, rel=1e-3)


def test_a_model_without_such_losses_is_an_error(runner_config, train):
    runner_config.model = dict(
        type='mmpretrain.ImageClassifier', backbone=dict(type='ResNet', depth=18)
    )
    runner_config.default_hooks.compile = dict(type='mmcoca.CompileHook')
    with pytest.raises(
        ValueError, match='CompileHook is for models like CoCa, not ImageClassifier'
    ):
        train(runner_config, 'classifier')

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from pathlib import Path

import pytest
import torch
from torch import nn

from mmcoca.engine import BFloat16OptimWrapper
from mmcoca.engine.bfloat16_optim_wrapper import computes_in_bfloat16

CPUINFO = Path('/proc/cpuinfo')


@pytest.mark.skipif(not CPUINFO.is_file(), reason='Linux tells what the processor has')
def test_bfloat16_of_the_processor():
    flags = CPUINFO.read_text().split()
    assert computes_in_bfloat16('cpu') == ('avx512_bf16' in flags or 'amx_tile' in flags)


@pytest.mark.parametrize(
    'has_avx512, has_amx, precision',
    [
        (True, False, torch.bfloat16),
        (False, True, torch.bfloat16),
        (False, False, torch.float32),
    ],
)
def test_matrix_products_run_in_bfloat16_where_the_processor_has_it(
    has_avx512, has_amx, precision, monkeypatch
):
    """Weights and their step are in float32."""
    monkeypatch.setattr(torch.cpu, '_is_avx512_bf16_supported', lambda: has_avx512)
    monkeypatch.setattr(torch.cpu, '_is_amx_tile_supported', lambda: has_amx)
    layer = nn.Linear(8, 8)
    wrapper = BFloat16OptimWrapper(optimizer=torch.optim.SGD(layer.parameters(), lr=0.1))
    with wrapper.optim_context(layer):
        out = layer(torch.ones(2, 8))
    assert out.dtype == precision
    before = layer.weight.detach().clone()
    wrapper.update_params(out.float().sum())
    assert layer.weight.dtype == torch.float32
    torch.testing.assert_close(layer.weight.detach(), before - 0.2)


def test_a_gpu_that_would_emulate_it_has_none(monkeypatch):
    """As torch tells of one before Ampere, where a tensor of bfloat16 can be made."""
    monkeypatch.setattr(
        torch.cuda, 'is_bf16_supported', lambda including_emulation=True: (including_emulation)
    )
    assert not computes_in_bfloat16('cuda')
    assert not computes_in_bfloat16('mps')


def test_training_agrees_with_float32():
    """The same steps in both precisions: bfloat16 rounds to 8 bits, no more and no less."""
    losses = []
    for enabled in (False, True):
        torch.manual_seed(0)
        layer = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 1))
        wrapper = BFloat16OptimWrapper(optimizer=torch.optim.SGD(layer.parameters(), lr=0.05))
        wrapper.enabled = enabled
        inputs = torch.randn(64, 16)
        for _ in range(50):
            with wrapper.optim_context(layer):
                loss = (layer(inputs).float() - inputs[:, :1]).square().mean()
            wrapper.update_params(loss)
        losses.append(loss.item())
    assert losses[1] == pytest.approx(losses[0], rel=0.05) and losses[1] != losses[0]

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS

from mmcoca.engine import Adafactor

CONFIG = Path(__file__).parents[2] / 'configs' / 'coca' / 'coca_base.py'


def test_paper_schedule_warms_up_and_decays_to_zero():
    cfg = Config.fromfile(CONFIG)
    layer = torch.nn.Linear(32, 32)
    wrapper = build_optim_wrapper(layer, cfg.optim_wrapper)
    schedulers = [PARAM_SCHEDULERS.build(dict(s, optimizer=wrapper)) for s in cfg.param_scheduler]
    rates = []
    for _ in range(0, cfg.max_iters):
        rates.append(wrapper.optimizer.param_groups[0]['lr'])
        for scheduler in schedulers:
            scheduler.step()
    torch.testing.assert_close(max(rates), 8e-4)
    assert abs(rates.index(max(rates)) - cfg.warmup_iters) <= 1
    assert rates[0] < 1e-8 and rates[cfg.warmup_iters // 2] < 4.1e-4
    middle = (cfg.warmup_iters + cfg.max_iters) // 2
    torch.testing.assert_close(rates[middle], 4e-4, rtol=1e-3, atol=0)
    assert rates[-1] < 1e-8


def test_weight_decay_is_decoupled_and_moments_are_the_papers():
    weight = torch.nn.Parameter(torch.ones(32, 32))
    cfg = Config.fromfile(CONFIG).optim_wrapper.optimizer
    optimizer = Adafactor([weight], **{k: v for k, v in cfg.items() if k != 'type'})
    weight.grad = torch.zeros_like(weight)
    optimizer.step()
    torch.testing.assert_close(weight.data, torch.full((32, 32), 1 - 8e-4 * 0.01))
    group = optimizer.param_groups[0]
    assert (group['momentum'], group['beta2_cap']) == (0.9, 0.999)

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What a step of training costs each of several configs."""

import time
from collections.abc import Callable
from statistics import median

from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, set_random_seed
from mmpretrain.registry import MODELS

from mmcoca.operations import operations_of


def training_step(cfg: Config) -> Callable[[], object]:
    """A whole step of training, losses to optimizer, on the first batch of seed 0's data."""
    init_default_scope(cfg.default_scope)
    set_random_seed(0)
    model = MODELS.build(cfg.model)
    model.train()
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    loader = dict(cfg.train_dataloader, num_workers=0, persistent_workers=False)
    loader = Runner.build_dataloader(loader, seed=0)
    set_random_seed(0)  # the augmentation is the same, whatever the model has drawn
    batch = next(iter(loader))
    return lambda: model.train_step(batch, optimizer)


def step_costs(configs: dict[str, Config], rounds: int) -> dict[str, dict[str, float]]:
    """Seconds and operations of a step of each config.

    The seconds are the median over rounds in which each config takes one step, after a first to
    warm up; operations are those of the products (`operations_of`) in that first.
    """
    steps = {name: training_step(cfg) for name, cfg in configs.items()}
    operations = {name: operations_of(step) for name, step in steps.items()}
    seconds = {name: [] for name in configs}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
    return {
        name: dict(seconds=median(times), operations=operations[name])
        for name, times in seconds.items()
    }

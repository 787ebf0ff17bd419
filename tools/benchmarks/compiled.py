# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A training step as mmcoca.CompileHook compiles it, beside the same step in eager mode."""

import copy
import time
from collections.abc import Iterator

import torch
from captions import draw_captions
from contender import training_step
from mmcoca_contender import MMCoCaContender
from report import Row, Settings
from sizes import SIZES
from worker import seconds_of
from workers import WARMUP_ROUNDS

KIND = 'COCO-length'
DRAWS = 3  # batches whose longest captions differ, to warm up with


def measure(settings: Settings) -> Iterator[Row]:
    """Seconds in turns, captions drawn anew each round, and those until the first steps were done.
    """
    torch.set_num_threads(settings.threads)
    for size in ('tiny', 'ViT-B-32'):
        torch.manual_seed(0)
        eager = MMCoCaContender(SIZES[size])
        compiled = copy.deepcopy(eager)
        compiled.compile()
        steps = {
            name: training_step(contender.model.train(), contender.losses)
            for name, contender in (('eager', eager), ('compiled', compiled))
        }
        side = SIZES[size].image_size
        images = torch.randn(settings.batch_size, 3, side, side)
        start = time.perf_counter()
        for seed in range(DRAWS):
            steps['compiled'](images, draw_captions(KIND, settings.batch_size, seed))
        seconds_to_compile = time.perf_counter() - start
        seconds = {name: [] for name in steps}
        for number in range(WARMUP_ROUNDS + settings.rounds):
            captions = draw_captions(KIND, settings.batch_size, DRAWS + number)
            for name, step in steps.items():
                seconds[name].append(seconds_of(step, images, captions))
        seconds = {name: values[WARMUP_ROUNDS:] for name, values in seconds.items()}
        yield Row(f'{size}: training step, {KIND} captions', 's', seconds)
        label = f'{size}: the first {DRAWS} steps, compilation included'
        yield Row(label, 's', dict(compiled=[seconds_to_compile]))

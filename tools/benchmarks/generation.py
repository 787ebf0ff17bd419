# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Captions: mmcoca beside open_clip_torch, the same weights, images and lengths."""

from collections.abc import Iterator
from contextlib import ExitStack

from captions import captions_of
from report import Row, Settings
from sizes import SIZES
from training import give_same_weights, start
from workers import take_turns

# Every caption has exactly `length` tokens: the end token is kept away until the last.
TASKS = {
    'beam search, 6 beams, 20 tokens, 4 images':
    dict(method='6 beams', num_images=4, length=20),
    "the same in 3 groups, open_clip's default":
    dict(method='6 beams', num_images=4, length=20, num_beam_groups=3),
    'top-50 sampling, 20 tokens, 16 images':
    dict(method='sampling', num_images=16, length=20),
    'greedy, 20 tokens, 16 images':
    dict(method='greedy', num_images=16, length=20),
    'greedy, 40 tokens, 16 images':
    dict(method='greedy', num_images=16, length=40),
}


def measure(settings: Settings, size: str = 'ViT-B-32') -> Iterator[Row]:
    """Seconds of each task."""
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(start(name, SIZES[size], settings))
            for name in ('mmcoca', 'open_clip')
        }
        give_same_weights(*workers.values(), captions_of(8, 2))
        for title, task in TASKS.items():
            yield Row(
                f'{size}: {title}', 's', take_turns(workers, settings.rounds, 'generate', **task)
            )

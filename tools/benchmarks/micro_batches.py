# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Large batches at once and in micro-batches (model.micro_batch_size): seconds and memory."""

import sys
from collections.abc import Iterator

from captions import draw_captions
from report import Row, Settings
from sizes import SIZES
from workers import Worker

SIZE = 'ViT-B-32'
KIND = 'COCO-length'
MICRO_BATCH = 32
BATCHES = (64, 128, 256, 512, 1024)
GIB = 2**30
FREE_PART = 0.9  # of the machine's memory, beyond which a batch at once is not tried


def measure(settings: Settings) -> Iterator[Row]:
    """Each batch in a process of its own, since a peak is never forgotten."""
    peaks: list[tuple[int, float]] = []  # of batches at once
    for pairs in BATCHES:
        forms = {'at once': None, f'micro-batches of {MICRO_BATCH}': MICRO_BATCH}
        if not fits(pairs, peaks):
            print(f'  {pairs} pairs at once would not fit into memory', file=sys.stderr)
            del forms['at once']
        seconds, memory = {}, {}
        for name, micro_batch_size in forms.items():
            seconds[name], peak = measure_one(pairs, micro_batch_size, settings)
            memory[name] = [peak]
        if 'at once' in memory:
            peaks.append((pairs, memory['at once'][0]))
        label = f'{SIZE}, {pairs} pairs, {KIND} captions'
        yield Row(f'{label}: training step', 's', seconds)
        yield Row(f'{label}: peak memory', 'GiB', memory)


def fits(pairs: int, peaks: list[tuple[int, float]]) -> bool:
    """Whether a batch at once fits, if memory grows on as it grew from one batch to the next."""
    if len(peaks) < 2:
        return True
    (fewer, less), (more, most) = peaks[-2:]
    expected = most + (pairs - more) * (most - less) / (more - fewer)
    return expected < FREE_PART * total_memory() / GIB


def total_memory() -> int:
    """Bytes of the machine."""
    with open('/proc/meminfo') as file:
        return 1024 * int(file.readline().split()[1])


def measure_one(pairs: int, micro_batch_size: int | None,
                settings: Settings) -> tuple[list[float], float]:
    """Seconds of the rounds, after one to warm up, and GiB."""
    captions = draw_captions(KIND, pairs)
    with Worker(sys.executable, 'mmcoca', SIZES[SIZE], settings.threads) as worker:
        worker.ask('set_micro_batch_size', size=micro_batch_size)
        seconds = [
            worker.ask('training_step', captions=captions) for _ in range(settings.rounds + 1)
        ]
        return seconds[1:], worker.ask('memory_so_far') / GIB

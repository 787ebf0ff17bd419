# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Training at the largest batch that fits, on a GPU where there is one: pairs a second, the part of
the device's peak, and memory; eager and compiled, mmcoca beside open_clip.
"""

import sys
from collections.abc import Iterator

import torch
from captions import draw_captions
from report import Row, Settings
from sizes import SIZES
from training import start
from worker import NAMES

from mmcoca.peaks import peak_of

KIND = 'COCO-length'
COMPARED = ('ViT-B-32', 'Large')
LARGEST = dict(cuda=8192, cpu=32)  # pairs, where memory sets no end before
LIBRARIES = [name for name in NAMES if name != 'CoCa-pytorch']
FORMS = ('eager', 'compiled')


def measure(settings: Settings) -> Iterator[Row]:
    """bfloat16 where the device has it; without a GPU the CPU's own rate of products is the peak.
    """
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    for size in COMPARED:
        rates, parts, memory, pairs = {}, {}, {}, {}
        for library in LIBRARIES:
            for form in FORMS:
                name = library if form == 'eager' else f'{library}, compiled'
                with start(library, SIZES[size], settings) as worker:
                    worker.ask('use', device=device, is_compiled=form == 'compiled')
                    captions = draw_captions(KIND, LARGEST[device])
                    count = worker.ask('largest_batch', captions=captions)
                    if not count:
                        print(f'  {name}: not one pair fits', file=sys.stderr)
                        continue
                    captions = captions[:count]
                    peak = peak_of_device() or worker.ask('product_rate')
                    operations = worker.ask('step_operations', captions=captions)
                    seconds = [
                        worker.ask('training_step', captions=captions)
                        for _ in range(settings.rounds)
                    ]
                    pairs[name] = [count]
                    rates[name] = [count / s for s in seconds]
                    parts[name] = [100 * operations / s / peak for s in seconds]
                    memory[name] = [worker.ask('memory_so_far') / 2**30]
        yield Row(f'{size}: pairs of the largest batch', '', pairs)
        yield Row(f'{size}: training', 'pairs/s', rates)
        yield Row(f'{size}: part of the peak', '%', parts)
        yield Row(f'{size}: peak memory', 'GiB', memory)


def peak_of_device() -> float | None:
    """Operations a second of the GPU, None without one. Ends the program for an unknown one."""
    if not torch.cuda.is_available():
        return None
    name = torch.cuda.get_device_name()
    return peak_of(name) or sys.exit(f'error: {name} is missing from PEAKS in mmcoca/peaks.py')

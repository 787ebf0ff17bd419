# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Which part of the machine's rate of matrix products a whole training step of ours reaches."""

from collections.abc import Iterator

from captions import KINDS, draw_captions
from report import Row, Settings
from sizes import SIZES
from training import start
from workers import WARMUP_ROUNDS


def measure(settings: Settings) -> Iterator[Row]:
    """GFLOP/s of products of 2048 x 2048 matrices and of steps, in turns in one process, and the
    part of a step's time that its products take.
    """
    batches = [(kind, settings.batch_size) for kind in KINDS]
    batches.append(('COCO-length', 4 * settings.batch_size))  # to divide the optimizer's part
    for size in ('tiny', 'ViT-B-32'):
        with start('mmcoca', SIZES[size], settings) as worker:
            for kind, count in batches:
                captions = draw_captions(kind, count)
                operations = worker.ask('step_operations', captions=captions)
                products, steps = [], []
                for _ in range(WARMUP_ROUNDS + settings.rounds):
                    products.append(worker.ask('product_rate') / 1e9)
                    seconds = worker.ask('training_step', captions=captions)
                    steps.append(operations / seconds / 1e9)
                values = {'matrix product': products, 'training step': steps}
                values = {name: rates[WARMUP_ROUNDS:] for name, rates in values.items()}
                label = f'{size}: {count} {kind} captions'
                yield Row(label, 'GFLOP/s', values)
                share = worker.ask('step_share_of_products', captions=captions)
                yield Row(label, '%', {"time in a step's products": [100 * share]})

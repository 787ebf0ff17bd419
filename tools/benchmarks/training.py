# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A training step, its memory, and encoding: mmcoca beside open_clip and CoCa-pytorch."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from captions import KINDS, draw_captions
from peers import peer_python
from report import Row, Settings
from sizes import SIZES, Size
from worker import NAMES
from workers import Worker, take_turns

COMPARED = ('tiny', 'ViT-B-32')
PEERS = ('open_clip', 'CoCa-pytorch')
TOLERANCE = 1e-4  # relative, between the losses of mmcoca and open_clip with the same weights
GIB = 2**30


def start(name: str, size: Size, settings: Settings) -> Worker:
    """A library's worker."""
    python = sys.executable if name == 'mmcoca' else peer_python(settings.peers)
    return Worker(python, name, size, settings.threads)


def give_same_weights(ours: Worker, theirs: Worker, captions: list[str]) -> None:
    """Give mmcoca open_clip's weights. Ends the program where their losses differ."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, 'weights.pt'))
        theirs.ask('save', path=path)
        ours.ask('load_open_clip', path=path)
    a, b = (worker.ask('losses', captions=captions) for worker in (ours, theirs))
    if any(abs(x - y) > TOLERANCE * abs(y) for x, y in zip(a, b, strict=True)):
        sys.exit(f'error: the same weights have different losses: {a} and {b}')


def measure(settings: Settings) -> Iterator[Row]:
    """Seconds of training steps and of encoding, memory of steps, numbers of parameters.

    Two libraries at a time: 24 GB hold no three steps of ViT-B-32 at full length.
    """
    captions = {kind: draw_captions(kind, settings.batch_size) for kind in KINDS}
    for size in COMPARED:
        for peer in PEERS:
            with ExitStack() as stack:
                workers = {
                    name: stack.enter_context(start(name, SIZES[size], settings))
                    for name in ('mmcoca', peer)
                }
                counts = {
                    name: [worker.ask('parameters') / 1e6]
                    for name, worker in workers.items()
                }
                yield Row(f'{size}: parameters', 'million', counts)
                if peer == 'open_clip':
                    give_same_weights(*workers.values(), captions['emoji'])
                yield from compare(size, workers, captions, settings.rounds)
        yield from compare_memory(size, settings)


def compare(size: str, workers: dict[str, Worker], captions: dict[str, list[str]],
            rounds: int) -> Iterator[Row]:
    """Seconds, in turns."""
    for kind, texts in captions.items():
        values = take_turns(workers, rounds, 'training_step', captions=texts)
        yield Row(f'{size}: training step, {kind} captions', 's', values)
    values = take_turns(workers, rounds, 'encode_images', captions=texts)
    yield Row(f'{size}: encoding images', 's', values)
    for kind, texts in captions.items():
        values = take_turns(workers, rounds, 'encode_texts', captions=texts)
        yield Row(f'{size}: encoding {kind} captions', 's', values)


def compare_memory(size: str, settings: Settings) -> Iterator[Row]:
    """GiB at the most, of each kind of captions, and of four times as many pairs."""
    batches = [(kind, settings.batch_size) for kind in KINDS]
    batches.append(('COCO-length', 4 * settings.batch_size))
    for kind, count in batches:
        peaks = {}
        for name in NAMES:  # a new process each: a peak is never forgotten
            with start(name, SIZES[size], settings) as worker:
                captions = draw_captions(kind, count)
                peaks[name] = [worker.ask('peak_memory', captions=captions) / GIB]
        yield Row(f'{size}: peak memory of a step, {count} {kind} captions', 'GiB', peaks)

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""How a training step grows with the captions' length, the batch and the vocabulary."""

from collections.abc import Iterator
from contextlib import ExitStack

from captions import captions_of
from report import Row, Settings
from sizes import SIZES
from training import start
from workers import take_turns

SIZE = SIZES['tiny']
LENGTHS = (8, 16, 24, 32, 48, 76)
BATCHES = (4, 8, 16, 32, 64)
VOCABULARIES = (49408, 65536, 131072, 262144)
LENGTH = 16  # tokens, where batch and vocabulary grow


def measure(settings: Settings) -> Iterator[Row]:
    """Seconds of a step of mmcoca and open_clip at the tiny size."""
    batch_size = settings.batch_size
    for vocab_size in VOCABULARIES:
        with ExitStack() as stack:
            workers = {
                name:
                stack.enter_context(start(name, SIZE._replace(vocab_size=vocab_size), settings))
                for name in ('mmcoca', 'open_clip')
            }
            captions = captions_of(LENGTH, batch_size)
            values = take_turns(workers, settings.rounds, 'training_step', captions=captions)
            label = f'vocabulary of {vocab_size:,}, {batch_size} pairs, {LENGTH} tokens'
            yield Row(label, 's', values)
            if vocab_size != SIZE.vocab_size:
                continue
            for length in LENGTHS:
                captions = captions_of(length, batch_size)
                values = take_turns(workers, settings.rounds, 'training_step', captions=captions)
                yield Row(f'captions of {length} tokens, {batch_size} pairs', 's', values)
            for batch in BATCHES:
                captions = captions_of(LENGTH, batch)
                values = take_turns(workers, settings.rounds, 'training_step', captions=captions)
                yield Row(f'{batch} pairs, captions of {LENGTH} tokens', 's', values)

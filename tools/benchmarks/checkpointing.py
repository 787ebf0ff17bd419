# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A step with all activations and one that computes them again, at full length of the captions:
mmcoca (model.activation_checkpointing) beside open_clip (its --grad-checkpointing).
"""

from collections.abc import Iterator

from captions import draw_captions
from report import Row, Settings
from sizes import SIZES
from training import GIB, start

SIZE = 'ViT-B-32'
KIND = 'full'
LIBRARIES = ('mmcoca', 'open_clip')
FORMS = {'all activations kept': False, 'activations computed again': True}


def measure(settings: Settings) -> Iterator[Row]:
    """Each library and form in a process of its own, since a peak is never forgotten."""
    captions = draw_captions(KIND, settings.batch_size)
    label = f'{SIZE}: {len(captions)} {KIND} captions'
    for form, is_checkpointed in FORMS.items():
        seconds, memory = {}, {}
        for name in LIBRARIES:
            with start(name, SIZES[SIZE], settings) as worker:
                if is_checkpointed:
                    worker.ask('checkpoint_activations')
                times = [
                    worker.ask('training_step', captions=captions)
                    for _ in range(1 + settings.rounds)
                ]
                seconds[name] = times[1:]
                memory[name] = [worker.ask('memory_so_far') / GIB]
        yield Row(f'{label}, {form}: training step', 's', seconds)
        yield Row(f'{label}, {form}: peak memory', 'GiB', memory)

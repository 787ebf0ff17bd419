# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Search among all icons with the shipped model: the index, then a query by words, picture or both.

The index is made by the command as a user would start it. A query is timed from the words or the
file to the names of the nearest five.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

from report import Row, Settings
from workers import WARMUP_ROUNDS

from mmcoca.apis import SearchInferencer, load_model

MODEL = 'coca_small_icons'
SHARDS = Path('data/icons/train')
IMAGES = Path('data/icons/images/lucide')
WORDS = ('arrow right', 'shopping cart', 'cloud with rain', 'user settings', 'heart', 'credit card')
QUERIES = 20  # a round, one after the other
ENGINES = ('exact', 'faiss')


def make_index(path: Path) -> float:
    """Write the index of all icons -> seconds of the command."""
    command = [sys.executable, '-m', 'mmcoca', 'embed', MODEL, '--shards', SHARDS, '--out', path]
    start = time.perf_counter()
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def milliseconds(search: Callable[..., object], queries: list[tuple], rounds: int) -> list[float]:
    """The mean of a query, of each round after those to warm up."""
    values = []
    for _ in range(WARMUP_ROUNDS + rounds):
        start = time.perf_counter()
        for query in queries:
            search(*query)
        values.append((time.perf_counter() - start) / len(queries) * 1000)
    return values[WARMUP_ROUNDS:]


def measure(settings: Settings) -> Iterator[Row]:
    """Making the index, its size, and queries of every kind."""
    if not (SHARDS.is_dir() and IMAGES.is_dir()):
        sys.exit('error: data/icons is missing: tools/dataset_converters/icons.py makes it')
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'icons.safetensors')
        seconds = make_index(path)
        size = path.stat().st_size / 1e6
        search = SearchInferencer(load_model(MODEL, device='cpu'), path)
    num_images = len(search.index.names)
    yield Row(f'index of {num_images:,} icons', 's', {'': [seconds]})
    yield Row('its size', 'MB', {'': [size]})
    files = map(str, sorted(IMAGES.glob('*'))[:QUERIES])
    words = list(islice(cycle(WORDS), QUERIES))
    both = list(zip(files, words))
    kinds = {
        'words': [(None, text) for text in words],
        'a picture': [(file, None) for file, _ in both],
        'a picture and words': both,
    }
    for kind, queries in kinds.items():
        yield Row(
            f'a query by {kind}',
            'ms',
            {
                engine:
                milliseconds(
                    lambda image, text: search(image, text, engine=engine), queries, settings.rounds
                )
                for engine in ENGINES
            },
        )

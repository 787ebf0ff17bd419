# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The input pipeline: images a second of one core, and how long train.py waits for them."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import chain, cycle, islice, repeat
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import DATASETS
from report import Row, Settings
from workers import with_threads

from mmcoca.datasets import TrainingSampler

CONFIGS = Path(__file__).parents[2] / 'configs' / 'coca'
TRAIN_TOOL = Path(__file__).parents[1] / 'train.py'
DRAWINGS = Path('data/emoji/images/twemoji')
IMAGES = 500  # a round
JPEGS = 200
JPEG_SIZES = {
    '224 px JPEGs': (224, 224),
    '1280 x 960 JPEGs': (960, 1280),
    '640 x 480 JPEGs': (480, 640),
}
STEPS = 16


def write_jpegs(folder: Path, size: tuple[int, int]) -> None:
    """train.jsonl and pictures of quality 90: drawings over coloured noise, as no photos are at
    hand. Seed 0.
    """
    generator = np.random.default_rng(0)
    drawings = cycle(sorted(DRAWINGS.iterdir()))
    (folder / 'images').mkdir(parents=True)
    lines = []
    for number in range(JPEGS):
        coarse = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        picture = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
        picture = cv2.add(picture, generator.integers(0, 30, picture.shape, dtype=np.uint8))
        for drawing in islice(drawings, 4):
            image = cv2.imread(str(drawing))
            y, x = (generator.integers(0, side - 96) for side in size)
            picture[y:y + 96, x:x + 96] = image
        name = f'{number}.jpg'
        cv2.imwrite(str(folder / 'images' / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
        lines.append(json.dumps(dict(image=name, caption='drawings over coloured noise')) + '\n')
    (folder / 'train.jsonl').write_text(''.join(lines))


def images_a_second(dataset: dict, rounds: int, images: int = IMAGES) -> list[float]:
    """Of one core, as a loading worker of a training has them, after a round to warm up."""
    dataset = DATASETS.build(dict(type='mmcoca.SeededDataset', dataset=dataset))
    dataset.full_init()
    visits = chain.from_iterable(repeat(TrainingSampler(dataset, seed=0)))
    rates = []
    for _ in range(1 + rounds):
        indices = list(islice(visits, images))
        start = time.perf_counter()
        for index in indices:
            dataset[index]
        rates.append(images / (time.perf_counter() - start))
    return rates[1:]


def step_and_wait(config: str, options: list[str], threads: int) -> tuple[list[float], list[float]]:
    """Seconds of train.py's steps, and of each those until its batch was there, from its log."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, TRAIN_TOOL, CONFIGS / config, '--work-dir', folder]
        command += ['--no-validate', '--cfg-options', 'default_hooks.logger.interval=1', *options]
        done = subprocess.run(command, capture_output=True, text=True, env=with_threads(threads))
        if done.returncode:
            sys.exit(f'error: train.py failed: {done.stderr.strip().splitlines()[-1]}')
        (log, ) = Path(folder).glob('*/vis_data/scalars.json')
        rows = [json.loads(line) for line in log.read_text().splitlines()]
    rows = [row for row in rows if 'data_time' in row][2:]  # the first two start the workers
    return [row['time'] for row in rows], [row['data_time'] for row in rows]


def measure(settings: Settings) -> Iterator[Row]:
    """Rates of the loader alone, then train.py with it."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    cfg = Config.fromfile(CONFIGS / 'coca_tiny_emoji.py')
    init_default_scope(cfg.default_scope)
    rates = images_a_second(cfg.train_dataloader.dataset, settings.rounds)
    yield Row('default data, coca_tiny_emoji.py', 'images/s', {'one core': rates})
    with tempfile.TemporaryDirectory() as name:
        for number, (kind, size) in enumerate(JPEG_SIZES.items()):
            folder = Path(name, str(number))
            write_jpegs(folder, size)
            for config in ('open_clip_vit-b-p32.py', 'coca_base.py'):
                cfg = Config.fromfile(CONFIGS / config)
                dataset = dict(cfg.train_dataloader.dataset, data_root=str(folder))
                for reduce_to in (None, cfg.image_size):
                    dataset['pipeline'][0].reduce_to = reduce_to
                    rates = images_a_second(dataset, settings.rounds)
                    size = 'reduced' if reduce_to else 'whole'
                    label = f'{kind}, {config}, decoded {size}'
                    yield Row(label, 'images/s', {'one core': rates})
        config = 'coca_tiny_emoji.py'
        step, wait = step_and_wait(config, ['train_cfg.max_epochs=1'], settings.threads)
        yield Row(f'default data, train.py with {config}', 's', dict(step=step, waiting=wait))
        config = 'open_clip_vit-b-p32.py'
        options = [
            f'train_cfg.max_iters={STEPS}',
            f'train_dataloader.batch_size={settings.batch_size}',
            'train_dataloader.num_workers=1',
            f'train_dataloader.dataset.data_root={folder}',
        ]
        step, wait = step_and_wait(config, options, settings.threads)
        yield Row(f'{kind}, train.py with {config}', 's', dict(step=step, waiting=wait))

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Images from tar shards beside the same as files, and what 100 million samples cost."""

import json
import os
import resource
import sys
import tarfile
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from loading import CONFIGS, images_a_second, write_jpegs
from mmengine.config import Config
from mmengine.registry import init_default_scope
from report import Row, Settings

from mmcoca.datasets import ImageTextShards, TrainingSampler
from mmcoca.datasets.shards import ShardIndex, ShardSample, index_path, write_index, write_shard
from mmcoca.datasets.shards.tar_index import SAMPLE, state_of

ICONS = Path('data/icons/train')
NUM_SHARDS = 5  # of the icons
IMAGES = 5000  # a round
PACK = dict(type='PackInputs', algorithm_keys=['gt_caption'], meta_keys=['image_id', 'img_path'])
LOAD = dict(type='mmcoca.LoadImage')
MANY = (10_000, 10_000)  # shards, samples of each


def unpack(shards: list[Path], folder: Path) -> None:
    """The images of shards as files, with a train.jsonl."""
    lines = []
    (folder / 'images').mkdir(parents=True)
    for shard in shards:
        with tarfile.open(shard) as archive:
            for member in archive:
                content = archive.extractfile(member).read()
                name = f'{shard.stem}-{member.name}'
                if name.endswith('.json'):
                    image = f'{name.removesuffix(".json")}.png'
                    row = dict(image=image, caption=json.loads(content)['caption'])
                    lines.append(json.dumps(row) + '\n')
                else:
                    (folder / 'images' / name).write_bytes(content)
    (folder / 'train.jsonl').write_text(''.join(lines))


def pack(folder: Path) -> Path:
    """The images of a folder as a shard."""
    rows = map(json.loads, (folder / 'train.jsonl').read_text().splitlines())
    samples = (
        ShardSample(
            Path(row['image']).stem,
            (folder / 'images' / row['image']).read_bytes(),
            '.jpg',
            dict(caption=row['caption']),
        ) for row in rows
    )
    write_shard(folder / '0.tar', samples)
    return folder / '0.tar'


def files(folder: Path, pipeline: list[dict]) -> dict:
    """Config of a data set of files."""
    return dict(
        type='mmcoca.ImageTextDataset',
        data_root=str(folder),
        ann_file='train.jsonl',
        data_prefix=dict(img_path='images'),
        pipeline=pipeline,
    )


def shards(paths: list[Path], pipeline: list[dict]) -> dict:
    """Config of a data set of shards."""
    paths = list(map(str, paths))
    return dict(type='mmcoca.ImageTextShards', shards=paths, pipeline=pipeline)


def both(label: str, of_files: dict, of_shards: dict, rounds: int) -> Row:
    """Images a second of one core, from either."""
    values = {'shards': images_a_second(of_shards, rounds, IMAGES)}
    return Row(label, 'images/s', values | {'files': images_a_second(of_files, rounds, IMAGES)})


def memory_now() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * resource.getpagesize()


def measure_many(folder: str) -> dict[str, float]:
    """Memory and seconds of a data set and a sampler of 100 million samples, without images."""
    num_shards, num_samples = MANY
    path = Path(folder, '0.tar')
    with open(path, 'wb') as file:
        file.truncate(num_samples * 1024)
    samples = np.full(num_samples, -1, SAMPLE)
    write_index(ShardIndex(samples, [], state_of(path)), index_path(path))
    for number in range(1, num_shards):
        other = Path(folder, f'{number}.tar')
        os.link(path, other)
        os.link(index_path(path), index_path(other))
    before = memory_now()
    start = time.perf_counter()
    data = ImageTextShards(f'{folder}/{{0..{num_shards - 1}}}.tar')
    loaded = time.perf_counter()
    sampler = TrainingSampler(data, seed=0)
    sampler.go_on(0, len(data) // 2)
    next(iter(sampler))
    begun = time.perf_counter()
    memory = (memory_now() - before) / 2**20
    deque(islice(sampler, 10**6), maxlen=0)
    drawn = time.perf_counter()
    return dict(
        memory=memory,
        loading=loaded - start,
        beginning=begun - loaded,
        order=drawn - begun,  # of a million, so in µs of one
    )


def measure(settings: Settings) -> Iterator[Row]:
    """Rates of one core, then the cost of many."""
    if not ICONS.is_dir():
        sys.exit(f'error: {ICONS} is missing: tools/dataset_converters/icons.py makes it')
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    cfg = Config.fromfile(CONFIGS / 'coca_tiny_icons.py')
    init_default_scope(cfg.default_scope)
    size = cfg.model.backbone.img_size
    resize = dict(type='Resize', scale=(size, size), interpolation='area')
    whole_pipeline = cfg.train_dataloader.dataset.pipeline
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        some = sorted(ICONS.glob('*.tar'))[:NUM_SHARDS]
        unpack(some, folder / 'icons')
        for label, pipeline in (
            (f'icons, decoded and resized to {size} px', [LOAD, resize, PACK]),
            ("icons, coca_tiny_icons.py's augmentation", whole_pipeline),
        ):
            of_files = files(folder / 'icons', pipeline)
            yield both(label, of_files, shards(some, pipeline), settings.rounds)
        write_jpegs(folder / 'jpegs', (224, 224))
        path = pack(folder / 'jpegs')
        pipeline = [LOAD, PACK]
        of_files = files(folder / 'jpegs', pipeline)
        yield both('224 px JPEGs, decoded', of_files, shards([path], pipeline), settings.rounds)
    with tempfile.TemporaryDirectory() as name, get_context('spawn').Pool(1) as pool:
        cost = pool.apply(measure_many, (name, ))
    label = '100 million samples in 10,000 shards: '
    yield Row(label + 'memory', 'MiB', {'': [cost['memory']]})
    yield Row(label + 'loading the indexes', 's', {'': [cost['loading']]})
    yield Row(label + 'beginning in the middle of an epoch', 's', {'': [cost['beginning']]})
    yield Row(label + 'order and seed of a sample', 'µs', {'': [cost['order']]})

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The files of the data set of icons."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from icon_pictures import Pictured
from icon_sets import HELD_OUT, PACKAGE
from svg_rendering import in_parallel

from mmcoca.datasets.shards import ShardSample, write_shard

SEED = 0
SHARD_SIZE = 2000


def write_shards(folder: Path, pictured: Sequence[Pictured]) -> int:
    """Write drawings in random order; returns the number of shards."""
    pictured = list(pictured)
    random.Random(SEED).shuffle(pictured)
    samples = [
        ShardSample(f'{number:06}', picture.png, '.png', drawing.labels)
        for number, (drawing, picture) in enumerate(pictured)
    ]
    jobs = [
        (folder / f'{number:05}.tar', samples[first:first + SHARD_SIZE])
        for number, first in enumerate(range(0, len(samples), SHARD_SIZE))
    ]
    in_parallel(write_one_shard, jobs, 'Writing', chunk=1)
    return len(jobs)


def write_one_shard(job: tuple[Path, Sequence[ShardSample]]) -> None:
    """A shard, in a process of its own."""
    write_shard(*job)


def write_images(folder: Path, pictured: Sequence[Pictured]) -> None:
    """Write one designer's drawings as PNG files."""
    folder.mkdir(parents=True)
    for p in pictured:
        (folder / f'{p.drawing.name}.png').write_bytes(p.picture.png)


def coco_captions(pictured: Sequence[Pictured], info: dict, size: int) -> dict:
    """The COCO-caption content of one designer's drawings; aliases and topics are no captions."""
    images, annotations = [], []
    for number, (drawing, _) in enumerate(pictured, 1):
        file_name = f'{drawing.designer}/{drawing.name}.png'
        images.append(
            {'id': number, 'file_name': file_name, 'width': size, 'height': size, 'license': 1}
        )
        annotations.append({'id': number, 'image_id': number, **drawing.labels})
    license = info['license']
    return {
        'info': {'description': f'{info["name"]} by {info["author"]["name"]}, see ATTRIBUTION.md'},
        'licenses': [{'id': 1, 'name': license['title'], 'url': license.get('url', '')}],
        'images': images,
        'annotations': annotations,
    }


def attribution(infos: dict[str, dict], counts: dict[str, int], size: int) -> str:
    """Name each designer, licence, source and change, as the licences ask for."""
    text = f"""# Attribution

Source: npm package {PACKAGE.name}, version {PACKAGE.version}, which collects icon sets and cleans
them up. Changes: each SVG drawing was rendered to a PNG image of {size} x {size} pixels on white,
lines without a colour black; captions were made of the names of drawings, and topics of those of
categories. licenses.json has what the package says of each licence.
"""
    for prefix, info in infos.items():
        author, license = info['author'], info['license']
        where = f'`images/{prefix}`' if prefix in HELD_OUT else '`train`'
        text += f"""
## {info['name']} ({prefix})

- Author: {', '.join(filter(None, (author['name'], author.get('url'))))}
- Licence: {', '.join(filter(None, (license['title'], license.get('url'))))}
- Drawings: {counts[prefix]}, in {where}
"""
    return text

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Make a small detection set in COCO format: icons pasted on textured backgrounds.

Boxes and masks are known, since every drawing was put where it is. Training scenes have drawings of
the training designers of the set that icons.py makes, the others of those whom it holds out: val
and val_new of Lucide and Marketeq, to choose by; test and test_new of Phosphor and Flat Color
Icons. The classes are names that most designers have drawn. One in three is new: no training scene
has it, and only the scenes of val_new and test_new do.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from icon_scene_drawing import MARGIN, SIDES, Job, Pasted, draw_scene
from svg_rendering import in_parallel
from whole_folders import (
    REMEDY,
    ConverterError,
    check_files,
    exit_status,
    is_made_by,
    partial_folder,
    read_manifest,
    sha256,
    write_json,
)

from mmcoca.datasets.shards.open_shard import OpenShard
from mmcoca.datasets.shards.tar_index import read_index

DATASET = 'mmcoca icon scenes'
SEED = 0
NUM_CLASSES = 30
NEW = slice(2, None, 3)  # of the classes, by how many designers have drawn them
DRAWINGS = (2, 6)  # of a scene, the fewest and one more than the most
CHUNK = 32  # scenes that a process gets at a time
DEV = ('lucide', 'marketeq')
TEST = ('ph', 'flat-color-icons')


class Split(NamedTuple):
    """Scenes of one kind.

    Attributes:
        designers: Whose drawings they have; none: the training designers'.
        is_new: Whether they have the new classes, or the others.
    """

    num_scenes: int
    designers: tuple[str, ...]
    is_new: bool


SPLITS = {
    'train': Split(4000, (), False),
    'val': Split(400, DEV, False),
    'val_new': Split(200, DEV, True),
    'test': Split(1000, TEST, False),
    'test_new': Split(500, TEST, True),
}
Drawings = dict[str, list[bytes]]  # PNG files by caption


def training_drawings(icons: Path) -> tuple[Drawings, dict[str, int]]:
    """All drawings of the shards, and how many designers have drawn each caption."""
    drawings, designers = defaultdict(list), defaultdict(set)
    for path in sorted((icons / 'train').glob('*.tar')):
        shard = OpenShard(path.name, open(path, 'rb'), read_index(path).samples)
        for number in range(shard.num_samples):
            labels = json.loads(shard.text(number, 'json'))
            drawings[labels['caption']].append(shard.image(number)[1])
            designers[labels['caption']].add(labels['designer'])
    return drawings, {caption: len(names) for caption, names in designers.items()}


def held_out_drawings(icons: Path, designer: str) -> Drawings:
    """The drawings of a designer to choose by or to test on."""
    (path, ) = (icons / 'annotations').glob(f'*_{designer}.json')
    content = json.loads(path.read_text(encoding='utf-8'))
    files = {image['id']: image['file_name'] for image in content['images']}
    drawings = defaultdict(list)
    for annotation in content['annotations']:
        file = icons / 'images' / files[annotation['image_id']]
        drawings[annotation['caption']].append(file.read_bytes())
    return drawings


def joined(parts: Sequence[Drawings]) -> Drawings:
    """The drawings of several designers together."""
    return {
        caption: [png
                  for part in parts
                  for png in part.get(caption, [])]
        for part in parts
        for caption in part
    }


def choose_classes(designers: dict[str, int], dev: Drawings, test: Drawings) -> list[str]:
    """The captions that most training designers have, of those in both others."""
    known = [caption for caption in designers if caption in dev and caption in test]
    return sorted(known, key=lambda caption: (-designers[caption], caption))[:NUM_CLASSES]


def jobs_of(split: Split, number: int, drawings: Drawings, classes: Sequence[str],
            size: int) -> list[Job]:
    """The scenes to be drawn: each of several classes, of which one drawing each is drawn."""
    random = np.random.default_rng((SEED, number))
    ids = np.arange(len(classes))
    is_new = np.isin(ids, ids[NEW])
    ids = ids[is_new == split.is_new]
    jobs = []
    for scene in range(split.num_scenes):
        chosen = random.choice(ids, size=random.integers(*DRAWINGS), replace=False)
        pictures = [
            (drawings[classes[i]][random.integers(len(drawings[classes[i]]))], int(i) + 1)
            for i in chosen
        ]
        jobs.append(Job(pictures, (SEED, number, scene), size))
    return jobs


def coco(scenes: Sequence[tuple[bytes, list[Pasted]]], classes: Sequence[str], size: int) -> dict:
    """The content of an annotation file."""
    images, annotations = [], []
    for number, (_, pasted) in enumerate(scenes, 1):
        file_name = f'{number - 1:05}.jpg'
        images.append({'id': number, 'file_name': file_name, 'width': size, 'height': size})
        for drawing in pasted:
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': number,
                    'category_id': drawing.category,
                    'bbox': drawing.box,
                    'area': drawing.area,
                    'segmentation': drawing.mask,
                    'iscrowd': 0,
                }
            )
    categories = [
        {'id': number, 'name': name, 'supercategory': 'icon'}
        for number, name in enumerate(classes, 1)
    ]
    info = {'description': "icon scenes; whose drawings: ATTRIBUTION.md of the icons' folder"}
    return {'info': info, 'images': images, 'annotations': annotations, 'categories': categories}


def settings(size: int, icons: Path) -> dict:
    """What decides the content of the set; the first part of its manifest."""
    return {
        'dataset': DATASET, 'icons': sha256(icons / 'manifest.json'), 'size': size, 'seed': SEED
    }


def write_set(folder: Path, icons: Path, size: int) -> dict:
    """Write the whole set into an empty folder; returns the manifest."""
    train, designers = training_drawings(icons)
    dev, test = (
        joined([held_out_drawings(icons, name) for name in names]) for names in (DEV, TEST)
    )
    classes = choose_classes(designers, dev, test)
    drawings = {(): train, DEV: dev, TEST: test}
    counts = {}
    for number, (name, split) in enumerate(SPLITS.items()):
        jobs = jobs_of(split, number, drawings[split.designers], classes, size)
        scenes = in_parallel(draw_scene, jobs, f'Drawing {name}', CHUNK)
        (folder / name).mkdir()
        for file_number, (jpeg, _) in enumerate(scenes):
            (folder / name / f'{file_number:05}.jpg').write_bytes(jpeg)
        content = coco(scenes, classes, size)
        write_json(folder / 'annotations' / f'{name}.json', content)
        counts[name] = {'scenes': len(scenes), 'drawings': len(content['annotations'])}
    files = sorted(folder.glob('annotations/*.json'))
    new = classes[NEW]
    manifest = {
        **settings(size, icons),
        'classes': [name for name in classes if name not in new],
        'new_classes': new,
        'splits': counts,
        'sha256': {path.relative_to(folder).as_posix(): sha256(path)
                   for path in files},
    }
    write_json(folder / 'manifest.json', manifest, indent=2)
    return manifest


def is_complete(out: Path, size: int, icons: Path) -> bool:
    """Whether `out` already holds the whole set; False where there is nothing yet.

    Raises ConverterError where it holds anything else, which the user may want to keep.
    """
    manifest = read_manifest(out, DATASET)
    if manifest is None:
        return False
    for name, value in settings(size, icons).items():
        if manifest.get(name) != value:
            raise ConverterError(f'{out} was made with other {name}: {REMEDY}')
    check_files(out, manifest)
    for name, counts in manifest['splits'].items():
        if len(list((out / name).glob('*.jpg'))) != counts['scenes']:
            raise ConverterError(f'pictures of {name} in {out} are missing: {REMEDY}')
    return True


def convert(out: Path, icons: Path, size: int) -> None:
    """Make the set in `out`, or do nothing where it is complete."""
    if not is_made_by(icons, 'mmcoca icons'):
        raise ConverterError(
            f'{icons} holds no icons: tools/dataset_converters/icons.py makes them'
        )
    if is_complete(out, size, icons):
        print(f'{out} is already complete')
        return
    with partial_folder(out) as folder:
        manifest = write_set(folder, icons, size)
    told = ', '.join(f'{name} {counts["scenes"]}' for name, counts in manifest['splits'].items())
    print(f'Wrote {out}; scenes: {told}')
    print(f'classes: {", ".join(manifest["classes"])}')
    print(f'new: {", ".join(manifest["new_classes"])}')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: python tools/dataset_converters/icon_scenes.py --out data/icon_scenes',
    )
    parser.add_argument('--out', type=Path, default=Path('data/icon_scenes'), help='(%(default)s)')
    parser.add_argument(
        '--icons', type=Path, default=Path('data/icons'), help="icons.py's folder (%(default)s)"
    )
    parser.add_argument(
        '--size', type=int, default=192, help='pixels a side of a scene (%(default)s)'
    )
    args = parser.parse_args(argv)
    smallest = SIDES[1] + 2 * MARGIN
    if args.size < smallest:
        parser.error(f'--size {args.size}: use {smallest} or more, what the largest drawing needs')
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Convert; the exit status."""
    args = parse_args(argv)
    return exit_status(lambda: convert(args.out.resolve(), args.icons, args.size))


if __name__ == '__main__':
    sys.exit(main())

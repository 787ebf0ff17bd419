# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Names of the drawings in a detector's boxes, by the text encoder, beyond the detector's classes.

The true boxes of the scenes that icon_scenes.py makes are cropped, and each crop gets the class
whose name is nearest to it. Of the new classes no scene stands in the detector's training. A crop
is taken as it is, or as ink on white, as a model trained on drawings knows them. Writes JSON and a
table.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from origin import origin
from PIL import Image

from mmcoca.apis import ZeroShotClassificationInferencer
from mmcoca.command_line import user_errors
from mmcoca.errors import MissingFileError

SPLITS = {
    'test_new': 'new_classes', 'test': 'classes'
}  # annotations, and their key in the manifest
MARGIN = 0.15  # of a box's longer side, around it; a drawing seldom fills its picture
BATCH_SIZE = 256


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: python tools/studies/open_vocabulary.py coca_small_icons '
        '--out docs/studies/open_vocabulary.json',
    )
    parser.add_argument('model', help='name of a shipped model, or a work directory')
    parser.add_argument(
        '--data',
        type=Path,
        default=Path('data/icon_scenes'),
        help="the scenes' folder (%(default)s)"
    )
    parser.add_argument('--out', type=Path, required=True, help='.json; the table beside it: .md')
    return parser.parse_args(argv)


def crops_of(data: Path, split: str) -> tuple[list[np.ndarray], list[str]]:
    """Square crops (side,side,3) around the true boxes, and their classes' names."""
    annotations = data / 'annotations' / f'{split}.json'
    if not annotations.is_file():
        raise MissingFileError.of('annotation file', annotations)
    content = json.loads(annotations.read_text(encoding='utf-8'))
    names = {category['id']: category['name'] for category in content['categories']}
    scenes = {
        image['id']: np.asarray(Image.open(data / split / image['file_name']).convert('RGB'))
        for image in content['images']
    }
    boxes = content['annotations']
    crops = [crop(scenes[box['image_id']], box['bbox']) for box in boxes]
    return crops, [names[box['category_id']] for box in boxes]


def crop(scene: np.ndarray, box: Sequence[float]) -> np.ndarray:
    """A square of a scene (height,width,3) around a box (x, y, width, height), with its margin.

    Where it ends beyond the scene, the border's pixels are repeated.
    """
    x, y, width, height = box
    side = round(max(width, height) * (1 + 2 * MARGIN))
    left, top = round(x + (width - side) / 2), round(y + (height - side) / 2)
    scene = np.pad(scene, ((side, side), (side, side), (0, 0)), mode='edge')
    return scene[top + side:top + 2 * side, left + side:left + 2 * side]


def ink_on_white(crop: np.ndarray) -> np.ndarray:
    """A crop (side,side,3) in grey on white: how far each pixel is from the border's colour."""
    border = np.concatenate([crop[0], crop[-1], crop[:, 0], crop[:, -1]]).astype(np.float32)
    paper = np.median(border, axis=0)
    distance = np.abs(crop - paper).max(axis=2)
    noise = np.quantile(np.abs(border - paper).max(axis=1), 0.9)
    ink = ((distance - noise) / max(distance.max() - noise, 1)).clip(0, 1)
    return np.repeat((255 * (1 - ink)).astype(np.uint8)[..., None], 3, axis=2)


def measure(model: str, data: Path) -> list[dict]:
    """A row of each split, form of crop and choice of classes."""
    if not (data / 'manifest.json').is_file():
        raise MissingFileError.of('manifest', data / 'manifest.json')
    manifest = json.loads((data / 'manifest.json').read_text(encoding='utf-8'))
    every = [*manifest['classes'], *manifest['new_classes']]
    rows = []
    for split, key in SPLITS.items():
        crops, labels = crops_of(data, split)
        forms = {'as it is': crops, 'ink on white': [ink_on_white(crop) for crop in crops]}
        for choice, classes in {key: manifest[key], 'all': every}.items():
            classify = ZeroShotClassificationInferencer(model, classes)
            for form, images in forms.items():
                images = [Image.fromarray(image) for image in images]
                found = classify(images, batch_size=BATCH_SIZE)
                right = sum(f['pred_class'] == label for f, label in zip(found, labels))
                row = dict(split=split, crop=form, choice=choice, of=len(classes))
                rows.append(row | dict(number=len(labels), right=right))
                print(f'{split}, crops {form}, {choice}: {right} of {len(labels)}', flush=True)
    return rows


def markdown(rows: Sequence[dict], model: str) -> str:
    """The table."""
    told = {'classes': "the detector's", 'new_classes': 'the new ones', 'all': 'all'}
    lines = [
        f"| {told[SPLITS[r['split']]]} | {told[r['choice']]} ({r['of']}) | {r['crop']} | "
        f"{r['number']} | {100 * r['right'] / r['number']:.1f} % | {100 / r['of']:.1f} % |"
        for r in rows
    ]
    head = '| classes of the boxes | classes to choose from | crop | boxes | right | chance |'
    return '\n'.join(
        [
            f'# Names of boxes by {model}', '', head, '|---|---|---|---|---|---|', *lines, '',
            origin(), ''
        ]
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Classify, and write."""
    args = parse_args(argv)
    with user_errors():
        rows = measure(args.model, args.data)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(rows, indent=1) + '\n')
        args.out.with_suffix('.md').write_text(markdown(rows, Path(args.model).stem))
        print(f'wrote {args.out} and, beside it, the table')


if __name__ == '__main__':
    main()

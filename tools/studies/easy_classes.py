# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Zero-shot classification of drawings that a model never saw, among a few everyday classes.

Of each set of classes those drawings count, of the test designers and of one artist's emoji, whose
caption is the name of a class. Writes JSON and a table.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from captioned_drawings import captioned_drawings
from origin import origin

from mmcoca.apis import class_embeddings, classify_images, load_images, load_model
from mmcoca.command_line import user_errors
from mmcoca.models import CoCa

CLASSES = {
    'animals':
    'bear bee bird butterfly cat cow dog elephant fish fox frog horse lion monkey mouse owl pig '
    'rabbit shark sheep snail snake spider turtle wolf',
    'weather':
    'cloud fog lightning moon rain rainbow snow snowflake sun thermometer tornado '
    'umbrella wind',
    'vehicles':
    'airplane ambulance bicycle boat bus car helicopter motorcycle rocket sailboat '
    'scooter submarine tractor train truck',
    'food':
    'apple banana beer bread cake carrot cheese cherry coffee cookie egg grapes hamburger '
    'lemon orange pear pepper pizza strawberry wine',
    'tools':
    'axe drill hammer needle pencil pliers ruler saw scissors screwdriver shovel wrench',
}
DRAWINGS = {  # annotations and images, below data/
    'Phosphor': ('icons/annotations/test_ph.json', 'icons/images'),
    'Game-icons': ('icons/annotations/test_game-icons.json', 'icons/images'),
    'emoji, test_artist': ('emoji/annotations/test_artist.json', 'emoji/images'),
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: python tools/studies/easy_classes.py coca_small_icons '
        '--out docs/studies/easy_classes.json',
    )
    parser.add_argument('config', help='config, or the name of a shipped model')
    parser.add_argument('checkpoint', nargs='?', help="none with a model's name")
    parser.add_argument('--data', type=Path, default=Path('data'), help='folder of icons and emoji')
    parser.add_argument('--out', type=Path, required=True, help='.json; the table beside it: .md')
    return parser.parse_args(argv)


@torch.no_grad()
def count_right(model: CoCa, drawings: Sequence[tuple[Path, int]], names: Sequence[str]) -> int:
    """How many drawings the model puts into their class, among these, by its own prompts."""
    embeddings = class_embeddings(model, names)
    labels = dict(drawings)
    right = 0
    for paths, images, _ in load_images(model, list(labels)):
        if paths:
            found = classify_images(model, images, embeddings).argmax(dim=1).tolist()
            right += sum(labels[path] == label for path, label in zip(paths, found))
    return right


def measure(model: CoCa, data: Path) -> list[dict]:
    """A row of each set of classes and of drawings that has some."""
    rows = []
    for title, words in CLASSES.items():
        names = words.split()
        for source, (annotations, images) in DRAWINGS.items():
            drawings = [
                (path, names.index(caption))
                for path, caption in captioned_drawings(data / annotations, data / images)
                if caption in names
            ]
            if drawings:
                right = count_right(model, drawings, names)
                row = dict(classes=title, of=len(names), drawings=source)
                rows.append(row | dict(number=len(drawings), right=right))
                print(f'{title}, {source}: {right} of {len(drawings)}', flush=True)
    return rows


def markdown(rows: Sequence[dict], model: str) -> str:
    """The table."""
    lines = [
        f"| {r['classes']} ({r['of']}) | {r['drawings']} | {r['right']} of {r['number']} | "
        f"{100 * r['right'] / r['number']:.0f} % | {100 / r['of']:.0f} % |" for r in rows
    ]
    return '\n'.join(
        [
            f'# {model} among everyday classes', '',
            'Zero-shot: the class whose name is nearest to the drawing, of drawings that training '
            'never saw.', '', '| classes | drawings | right | | chance |', '|---|---|---|---|---|',
            *lines, '',
            origin(), ''
        ]
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Classify, and write."""
    args = parse_args(argv)
    with user_errors():
        rows = measure(load_model(args.config, args.checkpoint), args.data)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(rows, indent=1) + '\n')
        args.out.with_suffix('.md').write_text(markdown(rows, Path(args.config).stem))
        print(f'wrote {args.out} and, beside it, the table')


if __name__ == '__main__':
    main()

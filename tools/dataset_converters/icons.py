# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Make a large data set of drawings with captions: the free icon sets of @iconify/json.

The package's version and sha512 value are pinned. What is written: shards to train on, of drawings
by about 165 designers; COCO-caption files with PNG images, of three designers to test on and of two
to choose by (dev); a byte-level BPE tokenizer trained on the training captions; the 1,000 names
that most designers have drawn, as classes; the attributions that the licences ask for; a manifest.
A training drawing is none of the others but for size and line width. Left out: logos, flags, maps,
emoji, and licences that ask to share alike or forbid commercial use.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from icon_drawings import Drawing, plainness, read_drawings
from icon_files import SEED, attribution, coco_captions, write_images, write_shards
from icon_pictures import Pictured, draw
from icon_sets import HELD_OUT, PACKAGE, read_sets
from icon_twins import TWINS, distinct, highest_correlations
from npm_packages import fetch_tarballs
from svg_rendering import in_parallel
from whole_folders import (
    REMEDY,
    ConverterError,
    check_files,
    exit_status,
    partial_folder,
    read_manifest,
    sha256,
    write_json,
)

from mmcoca.models.text import train_tokenizer

DATASET = 'mmcoca icons'  # by which a manifest is known as ours
VOCAB_SIZE = 4096
NUM_NAMES = 1000
CHUNK = 256  # drawings that a process gets at a time


def render(drawings: Sequence[Drawing], size: int) -> tuple[list[Pictured], Counter[str]]:
    """Pictures of the drawings that are data, and how many were left out, by reason.

    Left out are drawings on which nothing is to be seen, and of training those that are nearly the
    same as one of their set with their caption, and twins of held-out drawings.
    """
    jobs = [(drawing.svg, drawing.coloured) for drawing in drawings]
    pictures = in_parallel(partial(draw, size=size), jobs, 'Rendering', CHUNK)
    pictured = [Pictured(*pair) for pair in zip(drawings, pictures) if pair[1] is not None]
    signatures = np.stack([p.picture.signature for p in pictured])

    held_out = [i for i, p in enumerate(pictured) if p.drawing.designer in HELD_OUT]
    groups = defaultdict(list)
    for i in sorted(range(len(pictured)), key=lambda i: plainness(pictured[i].drawing)):
        drawing = pictured[i].drawing
        if drawing.designer not in HELD_OUT:
            groups[drawing.designer, drawing.caption].append(i)
    different = [group[i] for group in groups.values() for i in distinct(signatures[group])]
    twins = highest_correlations(signatures[different], signatures[held_out]) > TWINS
    chosen = held_out + [i for i, twin in zip(different, twins) if not twin]
    left_out = Counter(
        nothing_drawn=len(drawings) - len(pictured),
        near_same=len(pictured) - len(held_out) - len(different),
        twins=int(twins.sum()),
    )
    return [pictured[i] for i in chosen], left_out


def settings(size: int) -> dict:
    """What decides the content of the set; the first part of its manifest."""
    return {
        'dataset': DATASET,
        'packages': {PACKAGE.name: {'version': PACKAGE.version, 'integrity': PACKAGE.integrity}},
        'size': size,
        'vocab_size': VOCAB_SIZE,
        'seed': SEED,
    }


def common_names(drawings: Sequence[Drawing]) -> list[str]:
    """The captions that most designers have, the most frequent first."""
    designers = defaultdict(set)
    for drawing in drawings:
        designers[drawing.caption].add(drawing.designer)
    return sorted(designers, key=lambda caption: (-len(designers[caption]), caption))[:NUM_NAMES]


def annotation_file(designer: str) -> str:
    return f'annotations/{HELD_OUT[designer]}_{designer}.json'


def write_set(
    out: Path, infos: dict[str, dict], drawings: Sequence[Drawing], left_out: Counter[str],
    size: int
) -> dict:
    """Write the whole set into the empty folder `out`; returns the manifest.

    Args:
        infos: Of each set, by its prefix, what the package says of it.
        left_out: Icons that are no drawings, by reason.
    """
    pictured, also_left_out = render(drawings, size)
    by_designer = {prefix: [] for prefix in sorted(infos)}
    for p in pictured:
        by_designer[p.drawing.designer].append(p)
    train = [p for p in pictured if p.drawing.designer not in HELD_OUT]
    num_shards = write_shards(out / 'train', train)
    for designer in HELD_OUT:
        write_images(out / 'images' / designer, by_designer[designer])
        content = coco_captions(by_designer[designer], infos[designer], size)
        write_json(out / annotation_file(designer), content)

    names = common_names([drawing for drawing, _ in train])
    (out / 'annotations' / 'names.txt').write_text('\n'.join(names) + '\n', encoding='utf-8')
    captions = [
        text for drawing, _ in train
        for text in (drawing.caption, *drawing.aliases, *drawing.categories)
    ]
    tokenizer = train_tokenizer(captions, VOCAB_SIZE)
    (out / 'tokenizer.json').write_text(tokenizer.to_str(pretty=True), encoding='utf-8')
    counts = {designer: len(pictured) for designer, pictured in by_designer.items() if pictured}
    infos = {designer: infos[designer] for designer in counts}
    (out / 'ATTRIBUTION.md').write_text(attribution(infos, counts, size), encoding='utf-8')
    licenses = {
        designer: {key: info[key]
                   for key in ('name', 'author', 'license')}
        for designer, info in infos.items()
    }
    write_json(out / 'licenses.json', licenses, indent=2)

    files = sorted(p for p in out.rglob('*') if p.suffix in ('.json', '.md', '.tar', '.txt'))
    manifest = {
        **settings(size),
        'drawings': {'train': len(train)}
        | {Path(annotation_file(designer)).stem: counts.get(designer, 0)
           for designer in HELD_OUT},
        'training_designers': len(counts.keys() - HELD_OUT),
        'shards': num_shards,
        'captions': len(captions),
        'different_captions': len(set(captions)),
        'pairs_of_designer_and_caption': len({(d.designer, d.caption)
                                              for d, _ in train}),
        'left_out': left_out + also_left_out,
        'drawings_by_designer': counts,
        'sha256': {path.relative_to(out).as_posix(): sha256(path)
                   for path in files},
    }
    write_json(out / 'manifest.json', manifest, indent=2)
    return manifest


# Folders


def is_complete(out: Path, size: int) -> bool:
    """Whether `out` already holds the whole set; False where there is nothing yet.

    Raises ConverterError where it holds anything else, which the user may want to keep.
    """
    manifest = read_manifest(out, DATASET)
    if manifest is None:
        return False
    for name, value in settings(size).items():
        if manifest.get(name) != value:
            raise ConverterError(f'{out} was made with another value of {name}: {REMEDY}')
    check_files(out, manifest)
    for designer in HELD_OUT:
        content = json.loads((out / annotation_file(designer)).read_text(encoding='utf-8'))
        for image in content['images']:
            if not (out / 'images' / image['file_name']).is_file():
                raise ConverterError(f'images/{image["file_name"]} in {out} is missing: {REMEDY}')
    return True


def convert(out: Path, size: int, npm_dir: Path | None) -> None:
    """Make the set in `out`, or do nothing where it is complete."""
    if is_complete(out, size):
        print(f'{out} is already complete')
        return
    with tempfile.TemporaryDirectory() as downloads:
        if npm_dir is None:
            npm_dir = Path(downloads)
            fetch_tarballs([PACKAGE], npm_dir)
        sets = read_sets(npm_dir)
    infos = {icon_set.prefix: icon_set.info for icon_set in sets}
    drawings, left_out = read_drawings(sets)
    del sets  # most of the memory
    with partial_folder(out) as folder:
        manifest = write_set(folder, infos, drawings, left_out, size)
    counts, left_out = manifest['drawings'], manifest['left_out']
    print(
        f'Wrote {counts["train"]} drawings by {manifest["training_designers"]} designers '
        f'in {manifest["shards"]} shards to {out}, with {manifest["captions"]} captions and topics '
        f'({manifest["different_captions"]} different)'
    )
    print('Held out:', ', '.join(f'{k} {n}' for k, n in counts.items() if k != 'train'))
    print('Left out:', ', '.join(f'{k.replace("_", " ")} {n}' for k, n in left_out.items()))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Example: python tools/dataset_converters/icons.py --out data/icons',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--out', type=Path, required=True, help='folder to make, e.g. data/icons')
    parser.add_argument(
        '--size', type=int, default=64, help='image side in pixels, 16 to 256 (default: 64)'
    )
    parser.add_argument(
        '--npm-dir',
        type=Path,
        help='folder with the tarball of npm pack, to work offline (default: call npm)',
    )
    args = parser.parse_args(argv)
    if not 16 <= args.size <= 256:
        parser.error(f'--size must be from 16 to 256, not {args.size}')
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: convert(args.out.resolve(), args.size, args.npm_dir))


if __name__ == '__main__':
    sys.exit(main())

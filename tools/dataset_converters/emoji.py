# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Make the default data set: 1,594 emoji concepts, each drawn by four artists, with captions.

The drawings come from four npm packages whose versions and sha512 values are pinned below. What is
written: COCO-caption files with their PNG images, a byte-level BPE tokenizer trained on the
training captions, the attributions that the licences ask for, and a manifest.
"""

import argparse
import json
import random
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from npm_packages import Package, fetch_tarballs, read_members
from svg_rendering import in_parallel, render_svg
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

DATASET = 'mmcoca emoji'  # by which a manifest is known as ours
SEED = 0
NUM_HELD_OUT = 160
VOCAB_SIZE = 2048
NEEDED = re.compile(r'(icons|chars|data/openmoji)\.json|color/svg/.+\.svg|LICENSE.*')


class Artist(NamedTuple):
    name: str
    credit: str
    package: str
    version: str
    sha512: str
    license: str
    license_url: str
    homepage: str

    @property
    def pinned(self) -> Package:
        return Package(self.package, self.version, self.sha512)


ARTISTS = (
    Artist(
        'openmoji',
        'OpenMoji, the open-source emoji and icon project',
        'openmoji',
        '17.0.0',
        'EBnYrNGdcdw+OSXmENeNE1yBNRu6tOraTmoOyUbJkTmvT/+XETp8RZLSJFzD3lrPc5N9CzsyPnRTk0Vp4UaI9w==',
        'CC BY-SA 4.0',
        'https://creativecommons.org/licenses/by-sa/4.0/',
        'https://openmoji.org',
    ),
    Artist(
        'noto',
        'Noto Emoji by Google Inc',
        '@iconify-json/noto',
        '1.2.9',
        'DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==',
        'Apache-2.0',
        'https://www.apache.org/licenses/LICENSE-2.0',
        'https://github.com/googlefonts/noto-emoji',
    ),
    Artist(
        'fluent-emoji-flat',
        'Fluent Emoji Flat by Microsoft Corporation',
        '@iconify-json/fluent-emoji-flat',
        '1.2.6',
        'RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==',
        'MIT',
        'https://github.com/microsoft/fluentui-emoji/blob/main/LICENSE',
        'https://github.com/microsoft/fluentui-emoji',
    ),
    Artist(
        'twemoji',
        'Twemoji by Twitter, Inc and other contributors',
        '@iconify-json/twemoji',
        '1.2.5',
        'uKpuIEV0v6K5BW3Mjdyl+XKFVAbbcPxAgifKvEMtZoUZB5+YiY5zaMm2uNNCxyXzAWU9yNLlj41WU6/mvgALsw==',
        'CC BY 4.0',
        'https://creativecommons.org/licenses/by/4.0/',
        'https://github.com/jdecked/twemoji',
    ),
)


class Split(NamedTuple):
    artists: tuple[str, ...]
    held_out: bool = False  # the held-out concepts in place of the training concepts
    without_group: str | None = None


SPLITS = {
    'train': Split(('openmoji', 'noto', 'fluent-emoji-flat')),
    'test_artist': Split(('twemoji', )),
    'test_artist_without_flags': Split(('twemoji', ), without_group='flags'),
    'test_concept': Split(tuple(artist.name for artist in ARTISTS), held_out=True),
    'train_dev': Split(('openmoji', 'fluent-emoji-flat')),
    'val_dev': Split(('noto', )),
}

# Join


def concept_key(hexcode: str) -> str:
    """Upper-case hex code without FE0F, the variation selector that the artists use differently."""
    return '-'.join(part for part in hexcode.upper().split('-') if part != 'FE0F')


def read_concepts(openmoji: dict[str, bytes]) -> dict[str, dict]:
    """Map each concept's key to its openmoji.json entry, variants by skin tone left out."""
    entries = json.loads(openmoji['data/openmoji.json'])
    return {concept_key(entry['hexcode']): entry for entry in entries if not entry['skintone']}


def openmoji_drawings(openmoji: dict[str, bytes]) -> dict[str, str]:
    """Map each key to the text of its SVG file (all have a square view box)."""
    return {
        concept_key(Path(name).stem): content.decode()
        for name, content in openmoji.items()
        if name.startswith('color/svg/')
    }


def iconify_drawings(package: dict[str, bytes]) -> dict[str, str]:
    """Map each key to an SVG with a square view box, the drawing in its centre.

    chars.json names each icon once, and in the pinned versions never by an alias, so that no icon
    needs the flips and rotations of Iconify's aliases.
    """
    icon_set = json.loads(package['icons.json'])
    drawings = {}
    for hexcode, name in json.loads(package['chars.json']).items():
        icon = icon_set['icons'][name]
        width = icon.get('width', icon_set['width'])
        height = icon.get('height', icon_set['height'])
        side = max(width, height)
        drawings[concept_key(hexcode)] = (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{(width - side) / 2} {(height - side) / 2} {side} {side}">'
            f'{icon["body"]}</svg>'
        )
    return drawings


# Split


def hold_out(keys: list[str]) -> set[str]:
    """Choose the concepts that no model is trained on, from all keys in sorted order."""
    return set(random.Random(SEED).sample(keys, NUM_HELD_OUT))


def coco_captions(split: Split, concepts: dict[str, dict], size: int) -> dict:
    """Make the COCO-caption content of one split; an image has the same id in every split."""
    keys = sorted(concepts)
    held_out = hold_out(keys)
    names = [artist.name for artist in ARTISTS]
    images, annotations = [], []
    for concept_index, key in enumerate(keys):
        entry = concepts[key]
        if (key in held_out) != split.held_out or entry['group'] == split.without_group:
            continue
        labels = {
            'caption': entry['annotation'],
            'tags': [tag.strip() for tag in entry['tags'].split(',')],
            'group': entry['group'],
            'subgroup': entry['subgroups'],
            'hexcode': key,
        }
        for artist_index, artist in enumerate(names):
            if artist not in split.artists:
                continue
            image_id = concept_index * len(names) + artist_index + 1
            file = {'file_name': f'{artist}/{key}.png', 'width': size, 'height': size}
            images.append({'id': image_id, **file, 'license': artist_index + 1, 'artist': artist})
            annotations.append({'id': image_id, 'image_id': image_id, **labels})
    return {
        'info': {'description': 'Emoji concepts drawn by four artists, see ATTRIBUTION.md'},
        'licenses': [
            {'id': i, 'name': artist.license, 'url': artist.license_url}
            for i, artist in enumerate(ARTISTS, 1)
        ],
        'images':
        images,
        'annotations':
        annotations,
    }


# Render


def render(job: tuple[str, int, Path]) -> None:
    """Write one SVG with a square view box as an RGB PNG of (size, size) pixels on white."""
    svg, size, path = job
    render_svg(svg, size).convert('RGB').save(path, compress_level=3)


# Write


def attribution(size: int) -> str:
    """Name each artist, licence, source and change, as the licences ask for."""
    text = f"""# Attribution

Changes: each SVG drawing was rendered to a PNG image of {size} x {size} pixels on white.
The drawings that come by way of an @iconify-json package were cleaned up there.

Captions, tags and groups, for the drawings of all artists, are those of OpenMoji.
Share alike: who passes on OpenMoji's images, or the captions, tags and groups, changed or not,
must do so under CC BY-SA 4.0 or a compatible licence.
"""
    for artist in ARTISTS:
        text += f"""
## {artist.name}

- Author: {artist.credit}, {artist.homepage}
- Licence: {artist.license}, {artist.license_url}
- Source: npm package {artist.package}, version {artist.version}
- Images: `images/{artist.name}`
"""
    return text


def settings(size: int) -> dict:
    """What decides the content of the set; the first part of its manifest."""
    return {
        'dataset': DATASET,
        'packages':
        {a.package: {'version': a.version, 'integrity': a.pinned.integrity}
         for a in ARTISTS},
        'size': size,
        'seed': SEED,
        'held_out_concepts': NUM_HELD_OUT,
    }


def write_set(out: Path, packages: dict[str, dict[str, bytes]], size: int) -> dict:
    """Write the whole set into the empty folder ``out``; returns the manifest."""
    drawings = {
        name: openmoji_drawings(members) if name == 'openmoji' else iconify_drawings(members)
        for name, members in packages.items()
    }
    concepts = read_concepts(packages['openmoji'])
    keys = sorted(set(concepts).intersection(*drawings.values()))
    concepts = {key: concepts[key] for key in keys}

    for name in drawings:
        (out / 'images' / name).mkdir(parents=True)
    jobs = [
        (drawings[name][key], size, out / 'images' / name / f'{key}.png')
        for name in drawings
        for key in keys
    ]
    in_parallel(render, jobs, 'Rendering')

    splits = {name: coco_captions(split, concepts, size) for name, split in SPLITS.items()}
    for name, content in splits.items():
        write_json(out / 'annotations' / f'{name}.json', content)
    captions = {annotation['caption'] for annotation in splits['train']['annotations']}
    tokenizer = train_tokenizer(sorted(captions), VOCAB_SIZE)
    (out / 'tokenizer.json').write_text(tokenizer.to_str(pretty=True), encoding='utf-8')
    (out / 'ATTRIBUTION.md').write_text(attribution(size), encoding='utf-8')
    (out / 'licenses').mkdir()
    for name, members in packages.items():
        for member in members:
            if member.startswith('LICENSE'):
                (out / 'licenses' / f'{name}-{member}').write_bytes(members[member])

    files = sorted(p for p in out.rglob('*') if p.is_file() and p.suffix != '.png')
    manifest = {
        **settings(size),
        'concepts': len(keys),
        'images': len(keys) * len(ARTISTS),
        'splits': {name: len(content['images'])
                   for name, content in splits.items()},
        'sha256': {path.relative_to(out).as_posix(): sha256(path)
                   for path in files},
    }
    write_json(out / 'manifest.json', manifest, indent=2)
    return manifest


# Folders


def is_complete(out: Path, size: int) -> bool:
    """Whether ``out`` already holds the whole set; False where there is nothing yet.

    Raises:
        ConverterError: ``out`` holds anything else, which the user may want to keep.
    """
    manifest = read_manifest(out, DATASET)
    if manifest is None:
        return False
    for name, value in settings(size).items():
        if manifest.get(name) != value:
            raise ConverterError(f'{out} was made with another value of {name}: {REMEDY}')
    check_files(out, manifest)
    for split in SPLITS:
        content = json.loads((out / 'annotations' / f'{split}.json').read_text(encoding='utf-8'))
        for image in content['images']:
            if not (out / 'images' / image['file_name']).is_file():
                raise ConverterError(f'images/{image["file_name"]} in {out} is missing: {REMEDY}')
    return True


def convert(out: Path, size: int, npm_dir: Path | None) -> None:
    """Make the set in ``out``, or do nothing where it is complete."""
    if is_complete(out, size):
        print(f'{out} is already complete')
        return
    with tempfile.TemporaryDirectory() as downloads:
        if npm_dir is None:
            npm_dir = Path(downloads)
            fetch_tarballs([artist.pinned for artist in ARTISTS], npm_dir)
        packages = {
            artist.name: dict(read_members(npm_dir, artist.pinned, NEEDED))
            for artist in ARTISTS
        }
    with partial_folder(out) as partial:
        manifest = write_set(partial, packages, size)
    splits = ', '.join(f'{name} {count}' for name, count in manifest['splits'].items())
    print(f'Wrote {manifest["images"]} images of {manifest["concepts"]} concepts to {out}')
    print(f'Images per split: {splits}')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Example: python tools/dataset_converters/emoji.py --out data/emoji',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--out', type=Path, required=True, help='folder to make, e.g. data/emoji')
    parser.add_argument(
        '--size', type=int, default=96, help='image side in pixels, 16 to 1024 (default: 96)'
    )
    parser.add_argument(
        '--npm-dir',
        type=Path,
        help='folder with the four tarballs of npm pack, to work offline (default: call npm)',
    )
    args = parser.parse_args(argv)
    if not 16 <= args.size <= 1024:
        parser.error(f'--size must be from 16 to 1024, not {args.size}')
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: convert(args.out.resolve(), args.size, args.npm_dir))


if __name__ == '__main__':
    sys.exit(main())

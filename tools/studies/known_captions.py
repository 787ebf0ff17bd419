# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Recall of drawings whose captions stand in the training data, and of those whose do not.

Of the designers that the icons' data hold out, from image to text, choosing from all captions of
the set as unseen.py does. Writes JSON and a table.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from captioned_drawings import captioned_drawings
from origin import origin
from torch import Tensor
from unseen import TEST

from mmcoca.apis import load_images, load_model
from mmcoca.command_line import user_errors
from mmcoca.datasets.shards.open_shard import OpenShard
from mmcoca.datasets.shards.tar_index import read_index
from mmcoca.errors import MissingFileError
from mmcoca.evaluation.recall import relevant_ranks
from mmcoca.models import CoCa

SETS = {
    name: drawings.annotations
    for name, drawings in TEST.items()
    if drawings.annotations.startswith('icons/')
}
TOP_K = (1, 5)
BATCH_SIZE = 256


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: python tools/studies/known_captions.py coca_small_icons '
        '--out docs/studies/known_captions.json',
    )
    parser.add_argument('model', help='name of a shipped model, or a work directory')
    parser.add_argument('--data', type=Path, default=Path('data'), help='folder of icons')
    parser.add_argument('--out', type=Path, required=True, help='.json; the table beside it: .md')
    return parser.parse_args(argv)


def training_captions(shards: Path) -> set[str]:
    """Captions and other names (aliases) of all training drawings."""
    known = set()
    for path in sorted(shards.glob('*.tar')):
        shard = OpenShard(path.name, open(path, 'rb'), read_index(path).samples)
        for number in range(shard.num_samples):
            labels = json.loads(shard.text(number, 'json'))
            known |= {labels['caption'], *labels.get('aliases', ())}
    if not known:
        raise MissingFileError.of('folder of shards', shards)
    return known


@torch.no_grad()
def ranks_of(model: CoCa, paths: Sequence[Path], captions: Sequence[str]) -> Tensor:
    """The place (images,) that each image's caption has among all, from 0."""
    texts = sorted(set(captions))
    batches = [texts[start:start + BATCH_SIZE] for start in range(0, len(texts), BATCH_SIZE)]
    text_features = torch.cat([model.encode_text(batch) for batch in batches])
    image_features = torch.cat(
        [model.encode_image(images) for _, images, _ in load_images(model, paths, BATCH_SIZE)]
    )
    places = [texts.index(caption) for caption in captions]
    relevant = torch.stack([torch.arange(len(places)), torch.tensor(places)], dim=1)
    return relevant_ranks(image_features, text_features, relevant)


def measure(model: CoCa, data: Path) -> list[dict]:
    """A row of each set and kind of caption."""
    known, rows = training_captions(data / 'icons' / 'train'), []
    for name, annotations in SETS.items():
        drawings = captioned_drawings(data / annotations, data / 'icons' / 'images')
        paths, captions = zip(*drawings)
        ranks = ranks_of(model, paths, captions)
        is_known = torch.tensor([caption in known for caption in captions])
        for kind, chosen in dict(known=is_known, new=~is_known).items():
            recalls = {f'R@{k}': 100 * (ranks[chosen] < k).float().mean().item() for k in TOP_K}
            rows.append(dict(drawings=name, captions=kind, number=int(chosen.sum())) | recalls)
            print(*rows[-1].values(), flush=True)
    return rows


def markdown(rows: Sequence[dict], model: str) -> str:
    """The table."""
    columns = ['drawings', 'captions', 'number', *(f'R@{k}' for k in TOP_K)]
    lines = [
        f"| {' | '.join(f'{row[c]:.1f}' if c.startswith('R@') else str(row[c]) for c in columns)} |"
        for row in rows
    ]
    return '\n'.join(
        [
            f'# {model} on captions that it knows and on new ones', '',
            'Image to text, in percent, among all captions of the set; known: the caption stands '
            'in the training data, with drawings of other designers.', '',
            f"| {' | '.join(columns)} |", '|---' * len(columns) + '|', *lines, '',
            origin(), ''
        ]
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and write."""
    args = parse_args(argv)
    with user_errors():
        rows = measure(load_model(args.model), args.data)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(rows, indent=1) + '\n')
        args.out.with_suffix('.md').write_text(markdown(rows, Path(args.model).stem))
        print(f'wrote {args.out} and, beside it, the table')


if __name__ == '__main__':
    main()

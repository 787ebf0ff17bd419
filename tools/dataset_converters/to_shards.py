# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Write tar shards, for ImageTextShards and webdataset, from what ImageTextDataset reads.

A sample is an image, its file as it is, and its captions in a .json. The same data make the same
bytes; started again, it writes the shards that are missing or damaged. Images are not compared:
after a change of theirs delete the folder.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmengine.fileio import get
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.progress import track
from whole_folders import sha256

from mmcoca.command_line import positive, user_errors
from mmcoca.datasets import ImageTextDataset
from mmcoca.datasets.shards import IMAGE_ENDINGS, ShardSample, index_path, write_shard
from mmcoca.datasets.shards.tar_index import load_index, state_of
from mmcoca.errors import UserError
from mmcoca.seeds import permutation

SETTINGS = 'to_shards.json'  # of what the shards of a folder are made


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: python tools/dataset_converters/to_shards.py data/pairs/train.jsonl '
        '--images data/pairs/images --out data/pairs/shards',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('annotations', type=Path, help='annotation file')
    parser.add_argument('--images', default='', help='folder to which its paths are relative')
    parser.add_argument('--out', type=Path, required=True, help='folder for 00000.tar, ...')
    parser.add_argument(
        '--per-shard', type=positive, default=2000, help='images a shard (default: %(default)s)'
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of the order of the images (default: %(default)s)'
    )
    parser.add_argument('--caption-key', help='column or JSON key of the captions (caption)')
    parser.add_argument(
        '--image-key', help='column or JSON key of the path (image; file_name in COCO JSON)'
    )
    args = parser.parse_args(argv)
    if args.seed < 0:
        parser.error(f'--seed {args.seed}: use 0 or more')
    return args


def check_settings(args: argparse.Namespace) -> None:
    """Note of what the shards are made. Raises UserError where a folder has others."""
    settings = {name: str(value) for name, value in sorted(vars(args).items()) if name != 'out'}
    for name in ('annotations', 'images'):
        settings[name] = str(Path(settings[name]).resolve())
    settings['sha256'] = sha256(args.annotations)
    path, partial = args.out / SETTINGS, args.out / f'.{SETTINGS}'
    partial.unlink(missing_ok=True)  # by a process that was killed
    if args.out.exists() and any(args.out.iterdir()):
        found = json.loads(path.read_text('utf-8')) if path.is_file() else None
        if found is None:
            raise UserError(f'--out {args.out} holds something else: choose another folder')
        others = [name for name, value in settings.items() if found.get(name) != value]
        if others:
            raise UserError(
                f'--out {args.out} holds shards that were made with other settings '
                f'({", ".join(others)}): choose another folder, or delete it'
            )
    args.out.mkdir(parents=True, exist_ok=True)
    for left_over in args.out.glob('.*.tar.*'):  # by a process that was killed
        left_over.unlink()
    partial.write_text(json.dumps(settings, indent=2) + '\n', encoding='utf-8')
    partial.replace(path)


def is_whole(shard: Path, num_samples: int) -> bool:
    """Whether a shard is as it was written, by its index; its images are not compared."""
    if not shard.is_file():
        return False
    index = load_index(index_path(shard))
    return index is not None and index.state == state_of(shard) and not index.faults and len(
        index.samples
    ) == num_samples


def samples_of(dataset: ImageTextDataset, numbers: Sequence[int]) -> Iterator[ShardSample]:
    """The samples of a shard. Raises UserError, naming the row, where an image cannot be read."""
    for number in numbers:
        item = dataset.get_data_info(number)
        path = item['img_path']
        ending = Path(path).suffix.lower()
        if ending[1:] not in IMAGE_ENDINGS:
            raise UserError(
                f'{dataset.ann_file} {item["row"]}: {path}: in a shard an image ends in one of '
                f'{", ".join(sorted(IMAGE_ENDINGS))}'
            )
        try:
            image = get(path)
        except OSError as error:
            raise UserError(f'{dataset.ann_file} {item["row"]}: {path}: {error}') from error
        record = dict(caption=item['gt_caption'], id=item['image_id'])
        yield ShardSample(f'{number:09d}', image, ending, record)


def main(argv: Sequence[str] | None = None) -> None:
    """Write the shards that are not there yet."""
    args = parse_args(argv)
    with user_errors('interrupted; the same command goes on behind the last shard'):
        init_default_scope('mmpretrain')
        dataset = ImageTextDataset(
            str(args.annotations),
            data_prefix=dict(img_path=args.images),
            image_key=args.image_key,
            caption_key=args.caption_key,
            test_mode=True,
        )
        check_settings(args)
        order = permutation(len(dataset), args.seed).tolist()
        starts = range(0, len(order), args.per_shard)
        console, num_written = Console(stderr=True), 0
        for number, start in enumerate(track(starts, 'writing shards', console=console)):
            path = args.out / f'{number:05d}.tar'
            of_shard = order[start:start + args.per_shard]
            if not is_whole(path, len(of_shard)):
                write_shard(path, samples_of(dataset, of_shard))
                num_written += 1
    there = len(starts) - num_written
    more = f', {there} of them already there' if there else ''
    print(f'{args.out}: {len(dataset)} images in {len(starts)} shards{more}')


if __name__ == '__main__':
    main()

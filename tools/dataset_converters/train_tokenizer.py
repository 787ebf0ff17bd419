# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Train a tokenizer on the captions of annotation files, for a model's TextTokenizer.

Reads what ImageTextDataset reads: COCO-caption JSON, JSON Lines, CSV and TSV. Train it on training
captions alone.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track

from mmcoca.command_line import positive, user_errors
from mmcoca.datasets import AnnotationError
from mmcoca.datasets.annotation_files import read_annotations, text_problem
from mmcoca.errors import UserError
from mmcoca.models.text import SPECIAL_TOKENS, share_kept_whole, train_tokenizer


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: python tools/dataset_converters/train_tokenizer.py data/pairs/train.jsonl '
        '--size 16384 --out data/pairs/tokenizer.json',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('annotations', nargs='+', help='annotation files')
    parser.add_argument('--out', type=Path, required=True, help='file to write, .json')
    parser.add_argument(
        '--size', type=positive, default=16384, help='most tokens, V of the model (16384)'
    )
    parser.add_argument(
        '--special-tokens',
        nargs='+',
        metavar='TOKEN',
        default=list(SPECIAL_TOKENS),
        help=f'tokens with the first ids ({" ".join(SPECIAL_TOKENS)})',
    )
    parser.add_argument(
        '--characters',
        action='store_true',
        help="begin with the texts' characters, not with bytes: for scripts of many characters",
    )
    parser.add_argument('--caption-key', help='as in ImageTextDataset')
    parser.add_argument('--image-key', help='as in ImageTextDataset')
    parser.add_argument('--overwrite', action='store_true', help='--out may exist')
    args = parser.parse_args(argv)
    if args.out.suffix != '.json':
        parser.error(f'--out {args.out}: the ending must be .json')
    return args


def captions_of(path: str, args: argparse.Namespace) -> Iterator[str]:
    """The captions of a file. Raises AnnotationError for one that is no text."""
    for row in read_annotations(path, args.image_key, args.caption_key):
        captions = row.captions if isinstance(row.captions, list) else [row.captions]
        for caption in captions:
            problem = text_problem(caption)
            if problem:
                raise AnnotationError(f'{path}: {row.label}: the caption {problem}')
            yield caption


def main(argv: Sequence[str] | None = None) -> None:
    """Read, train, write, and say how good it is."""
    args = parse_args(argv)
    with user_errors('interrupted: nothing was written'):
        if args.out.exists() and not args.overwrite:
            raise UserError(f'--out {args.out} exists; --overwrite replaces it')
        console = Console(stderr=True)
        captions = []
        for path in args.annotations:
            captions += track(captions_of(path, args), f'reading {path}', console=console)
        if not captions:
            raise UserError(f'{", ".join(args.annotations)}: no captions')
        try:
            tokenizer = train_tokenizer(
                captions, args.size, args.special_tokens, not args.characters, show_progress=True
            )
        except ValueError as error:
            raise UserError(f'--size: {error}') from error
        args.out.parent.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(args.out))
        of_all, of_different = share_kept_whole(tokenizer, captions)
    size = tokenizer.get_vocab_size()
    print(f'{args.out}: {size} tokens of {len(captions)} captions (vocab_size of the model)')
    print(f'kept whole: {of_all:.1%} of all words, {of_different:.1%} of the different ones')


if __name__ == '__main__':
    main()

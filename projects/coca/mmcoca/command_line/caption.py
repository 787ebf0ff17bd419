# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Caption the images of a folder, a line of JSON each; run again, it goes on where it stopped."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmcoca.apis import caption_images, find_images
from mmcoca.errors import UserError

from .errors import user_errors
from .models import add_model_arguments, load_model_of, parse_model_arguments
from .options import check_out, positive
from .progress import exit_with, show_progress


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: mmcoca caption coca_small_icons my_icons --out captions.jsonl '
        '--num-beams 3; with a model of your own: mmcoca caption work_dirs/my_config '
        'my_images --out captions.jsonl. '
        'Exit status 3: all is done but images that could not be read.',
    )
    add_model_arguments(parser)
    parser.add_argument('images', help='folder of images, or one image')
    parser.add_argument('--out', required=True, help='file to add to, .jsonl')
    parser.add_argument(
        '--num-beams', type=positive, default=1, help='1: the most probable next token'
    )
    parser.add_argument(
        '--num-return-sequences', type=positive, default=1, help='captions an image'
    )
    parser.add_argument(
        '--length-penalty', type=float, default=1.0, help='of beams: more than 1 for longer ones'
    )
    parser.add_argument(
        '--min-length', type=int, default=0, help='tokens between start and end (0)'
    )
    parser.add_argument(
        '--max-length', type=int, help="tokens with start and end (the model's own)"
    )
    parser.add_argument('--do-sample', action='store_true', help='draw the next token')
    parser.add_argument('--temperature', type=float, default=1.0, help='of --do-sample')
    parser.add_argument('--top-k', type=int, default=0, help='draw from the k likeliest (0: all)')
    parser.add_argument(
        '--top-p', type=float, default=1.0, help='draw from the likeliest that reach p'
    )
    parser.add_argument('--seed', type=int, help='draws that repeat, the same for every image')
    parser.add_argument('--repetition-penalty', type=float, default=1.0, help='above 1: fewer')
    parser.add_argument('--no-repeat-ngram-size', type=int, default=0, help='0: any repeat')
    parser.add_argument('--prefix', default='', help='words that every caption begins with')
    parser.add_argument('--banned-words', nargs='+', default=(), help='words of no caption')
    return parse_model_arguments(parser, argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Caption, with a bar."""
    args = parse_args(argv)
    options = {
        name: getattr(args, name)
        for name in (
            'num_beams', 'num_return_sequences', 'length_penalty', 'min_length', 'max_length',
            'do_sample', 'temperature', 'top_k', 'top_p', 'seed', 'repetition_penalty',
            'no_repeat_ngram_size', 'prefix', 'banned_words'
        )
    }
    with user_errors():
        check_out(args.out, '.jsonl')
        paths = find_images(args.images)
        model = load_model_of(args)
        try:
            steps = caption_images(
                model, paths, Path(args.images), Path(args.out), args.batch_size, args.num_workers,
                **options
            )
            unreadable = show_progress(steps, len(paths), 'captions')
        except ValueError as error:
            raise UserError(str(error)) from error
    exit_with(unreadable, len(paths))

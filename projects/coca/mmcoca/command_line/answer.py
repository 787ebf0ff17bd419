# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Answer questions about each image of a folder, by a model fine-tuned for them."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence

import torch

from mmcoca.apis import find_images, load_images, name_below
from mmcoca.errors import UserError
from mmcoca.models import CoCaForVQA

from .errors import user_errors
from .models import add_model_arguments, load_model_of, parse_model_arguments
from .options import check_out
from .progress import exit_with, show_progress
from .result_file import result_file


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: mmcoca answer work_dirs/coca_tiny_easy_vqa data/easy_vqa/images/test '
        '--questions "what is the color of the shape?" "does the image contain a circle?"',
    )
    add_model_arguments(parser)
    parser.add_argument('images', help='folder of images, or one image')
    parser.add_argument('--questions', nargs='+', required=True, help='asked of every image')
    parser.add_argument('--out', help='.csv file; the standard output if left out')
    return parse_model_arguments(parser, argv)


@torch.no_grad()
def answer(model, paths, args, writer):
    """Write rows of image, question, answer, probability; yield what `show_progress` takes.

    An image is encoded once for all questions.
    """
    for read, images, unreadable in load_images(model, paths, args.batch_size, args.num_workers):
        regional_tokens = model.pool_regions(images) if read else None
        answered = [
            model.answer(regional_tokens, [question] * len(read)) if read else ([], [])
            for question in args.questions
        ]
        for place, path in enumerate(read):
            name = name_below(path, args.images)
            for question, (answers, chances) in zip(args.questions, answered):
                writer.writerow([name, question, answers[place], f'{chances[place]:.4f}'])
        yield len(read) + len(unreadable), unreadable


def main(argv: Sequence[str] | None = None) -> None:
    """Answer, with a bar."""
    args = parse_args(argv)
    with user_errors():
        if args.out:
            check_out(args.out, '.csv')
        if not all(question.strip() for question in args.questions):
            raise UserError('--questions: one is empty')
        paths = find_images(args.images)
        model = load_model_of(args)
        if not isinstance(model, CoCaForVQA):
            raise UserError(
                f'{args.config}: a {type(model).__name__} answers no questions; configs/coca/vqa '
                'has those that do'
            )
        with result_file(args.out) as file:
            writer = csv.writer(file, lineterminator='\n')
            writer.writerow(['image', 'question', 'answer', 'probability'])
            unreadable = show_progress(answer(model, paths, args, writer), len(paths), 'images')
    exit_with(unreadable, len(paths))

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Zero-shot classification of a folder of images with labels of your own."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence

import torch

from mmcoca.apis import (
    class_embeddings,
    class_names,
    classify_images,
    find_images,
    load_images,
    name_below,
)
from mmcoca.errors import UserError

from .errors import user_errors
from .models import add_model_arguments, load_model_of, parse_model_arguments
from .options import check_out, positive
from .progress import exit_with, show_progress
from .result_file import result_file


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: mmcoca classify coca_small_icons my_icons --classes cat dog "arrow left"',
    )
    add_model_arguments(parser)
    parser.add_argument('images', help='folder of images, or one image')
    parser.add_argument(
        '--classes',
        nargs='+',
        required=True,
        help='class names; or a file with a name a line, a folder of class folders, imagenet, '
        'cifar10 or cifar100',
    )
    parser.add_argument(
        '--templates',
        nargs='+',
        help='prompts with {} for the name, whose mean is taken; or a file with a prompt a line, '
        "openai_imagenet (80) or openai_simple (7) (the model's own)",
    )
    parser.add_argument('--top-k', type=positive, default=1, help='classes an image (1)')
    parser.add_argument('--out', help='.csv file; the standard output if left out')
    return parse_model_arguments(parser, argv)


@torch.no_grad()
def classify(model, paths, args, classes, embeddings, writer):
    """Write rows of image, class, probability; yield what `show_progress` takes."""
    top_k = min(args.top_k, len(classes))
    for read, images, unreadable in load_images(model, paths, args.batch_size, args.num_workers):
        chances = classify_images(model, images, embeddings) if read else torch.zeros(0, 1)
        for path, row in zip(read, chances):
            best = row.topk(top_k)
            for chance, place in zip(best.values.tolist(), best.indices.tolist()):
                name = name_below(path, args.images)
                writer.writerow([name, classes[place], f'{chance:.4f}'])
        yield len(read) + len(unreadable), unreadable


def main(argv: Sequence[str] | None = None) -> None:
    """Classify, with a bar."""
    args = parse_args(argv)
    with user_errors():
        if args.out:
            check_out(args.out, '.csv')
        paths = find_images(args.images)
        model = load_model_of(args)
        try:
            classes, templates = (
                values[0] if values and len(values) == 1 else values
                for values in (args.classes, args.templates)
            )
            classes = class_names(classes)
            embeddings = class_embeddings(model, classes, templates)
        except ValueError as error:
            raise UserError(str(error)) from error
        with result_file(args.out) as file:
            writer = csv.writer(file, lineterminator='\n')
            writer.writerow(['image', 'class', 'probability'])
            steps = classify(model, paths, args, classes, embeddings, writer)
            unreadable = show_progress(steps, len(paths), 'images')
    exit_with(unreadable, len(paths))

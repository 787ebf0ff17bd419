# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Embed a folder of images, or a file of texts, a text a line; search.py finds among them."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from mmcoca.apis import EmbeddingIndex, find_images, load_images, name_below
from mmcoca.command_line import (
    add_model_arguments,
    check_out,
    exit_with,
    load_model_of,
    show_progress,
    user_errors,
)
from mmcoca.errors import UserError
from mmcoca.labels import lines_of
from mmcoca.weights import weights_mark


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: python tools/inference/embed.py configs/coca/coca_tiny_emoji.py '
        'work_dirs/coca_tiny_emoji --images my_images --out images.safetensors',
    )
    add_model_arguments(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument('--images', help='folder of images')
    what.add_argument('--texts', help='file with a text a line')
    parser.add_argument('--out', required=True, help='file to write, .safetensors')
    return parser.parse_args(argv)


@torch.no_grad()
def embed_images(model, paths, args, parts, names):
    """Add embeddings and names, batch by batch; yield what `show_progress` takes."""
    for read, images, unreadable in load_images(model, paths, args.batch_size, args.num_workers):
        if read:
            parts.append(model.encode_image(images).cpu())
            names += [name_below(path, args.images) for path in read]
        yield len(read) + len(unreadable), unreadable


@torch.no_grad()
def embed_texts(model, texts, args, parts, names):
    """Add embeddings and texts, batch by batch; yield what `show_progress` takes."""
    for start in range(0, len(texts), args.batch_size):
        batch = texts[start:start + args.batch_size]
        parts.append(model.encode_text(batch).cpu())
        names += batch
        yield len(batch), []


def main(argv: Sequence[str] | None = None) -> None:
    """Embed, with a bar, and save."""
    args = parse_args(argv)
    with user_errors():
        check_out(args.out, '.safetensors')
        if args.images:
            items = find_images(args.images)
        elif Path(args.texts).is_file():
            try:
                items = lines_of(args.texts)
            except ValueError as error:
                raise UserError(str(error)) from error
            if not items:
                raise UserError(f'{args.texts} has no text')
        else:
            raise UserError(f'there is no file {args.texts}')
        model = load_model_of(args)
        parts, names = [], []
        embed = embed_images if args.images else embed_texts
        steps = embed(model, items, args, parts, names)
        try:
            unreadable = show_progress(steps, len(items), 'embeddings')
        except ValueError as error:  # a model without a contrastive head
            raise UserError(str(error)) from error
        if not parts:
            raise UserError(f'none of {len(items)} images could be read: {args.out} is not written')
        EmbeddingIndex(torch.cat(parts), names, weights_mark(model)).save(args.out)
    exit_with(unreadable, len(items))


if __name__ == '__main__':
    main()

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Embed images of a folder or of shards, or a file of texts, a text a line; for `search`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from mmcoca.apis import (
    EmbeddingIndex,
    ImageFiles,
    ImageShards,
    find_images,
    load_batches,
    name_below,
)
from mmcoca.errors import UserError
from mmcoca.labels import lines_of
from mmcoca.weights import weights_mark

from .errors import user_errors
from .models import add_model_arguments, load_model_of, parse_model_arguments
from .options import check_out
from .progress import exit_with, show_progress


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: mmcoca embed coca_small_icons --images my_icons --out icons.safetensors',
    )
    add_model_arguments(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument('--images', help='folder of images, or one image')
    what.add_argument('--shards', help='tar shards of images: a folder, a file, or a pattern')
    what.add_argument('--texts', help='file with a text a line')
    parser.add_argument('--out', required=True, help='file to write, .safetensors')
    return parse_model_arguments(parser, argv)


@torch.no_grad()
def embed_images(model, images_of, args, parts, names):
    """Add embeddings and names, batch by batch; yield what `show_progress` takes."""
    for read, images, unreadable in load_batches(
        model, images_of, args.batch_size, args.num_workers
    ):
        if read:
            parts.append(model.encode_image(images).cpu())
            names += [name_below(name, args.images) if args.images else name for name in read]
        yield len(read) + len(unreadable), unreadable


@torch.no_grad()
def embed_texts(model, texts, args, parts, names):
    """Add embeddings and texts, batch by batch; yield what `show_progress` takes."""
    for start in range(0, len(texts), args.batch_size):
        batch = texts[start:start + args.batch_size]
        parts.append(model.encode_text(batch).cpu())
        names += batch
        yield len(batch), []


def find_items(args: argparse.Namespace) -> list | None:
    """Paths of images, or texts; None for shards, which the model's pipeline opens.

    Raises UserError where there are none.
    """
    if args.shards:
        return None
    if args.images:
        return find_images(args.images)
    if not Path(args.texts).is_file():
        raise UserError(f'there is no file {args.texts}')
    try:
        texts = lines_of(args.texts)
    except ValueError as error:
        raise UserError(str(error)) from error
    if not texts:
        raise UserError(f'{args.texts} has no text')
    return texts


def main(argv: Sequence[str] | None = None) -> None:
    """Embed, with a bar, and save."""
    args = parse_args(argv)
    with user_errors():
        check_out(args.out, '.safetensors')
        items = find_items(args)
        model = load_model_of(args)
        if model.contrastive_head is None:
            raise UserError(
                f'{args.config}: this model makes no embeddings, for lack of a contrastive_head'
            )
        if args.shards:
            items = ImageShards(model, args.shards)
        elif args.images:
            items = ImageFiles(model, items)
        parts, names = [], []
        embed = embed_texts if args.texts else embed_images
        steps = embed(model, items, args, parts, names)
        unreadable = show_progress(steps, len(items), 'embeddings')
        if not parts:
            raise UserError(f'none of {len(items)} images could be read: {args.out} is not written')
        EmbeddingIndex(torch.cat(parts), names, weights_mark(model)).save(args.out)
    exit_with(unreadable, len(items))

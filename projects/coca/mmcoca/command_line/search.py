# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Search embeddings that `embed` wrote with texts, an image, or both."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence

import torch

from mmcoca.apis import EmbeddingIndex, joined_queries, load_images
from mmcoca.apis.image_files import as_text
from mmcoca.datasets.image_paths import existence_problem, storage_problem
from mmcoca.errors import UserError

from .errors import user_errors
from .models import add_model_arguments, load_model_of, parse_model_arguments
from .options import positive


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: mmcoca search coca_small_icons icons.safetensors --texts "red cross" cat '
        '--image drawing.png',
    )
    add_model_arguments(parser)
    parser.add_argument('index', help='what `embed` wrote, with the same weights')
    parser.add_argument('--texts', nargs='+', help='texts to search with')
    parser.add_argument(
        '--image',
        help='image (file or URL) to search with; with texts, what is like both is found'
    )
    parser.add_argument('--top-k', type=positive, default=5, help='results a query (5)')
    parser.add_argument('--engine', choices=['exact', 'faiss'], default='exact', help='library')
    args = parse_model_arguments(parser, argv)
    if args.texts is None and args.image is None:
        parser.error('one of --texts and --image is needed')
    return args


@torch.no_grad()
def main(argv: Sequence[str] | None = None) -> None:
    """Search, and write rows of query, result, similarity."""
    args = parse_args(argv)
    with user_errors():
        try:
            index = EmbeddingIndex.load(args.index)
            image = as_text(args.image) if args.image else ''
            problem = image and (storage_problem(args.image) or existence_problem(args.image))
            if problem:
                raise UserError(problem)
            model = load_model_of(args)
            index.check_weights(model)
            parts, queries = [], args.texts or [image]
            if args.image:
                ((read, images, _), ) = load_images(model, [args.image])
                if not read:
                    raise UserError(f'cannot read image {image}')
                parts.append(model.encode_image(images))
            if args.texts:
                parts.append(model.encode_text(args.texts))
                queries = [f'{image} + {text}' if image else text for text in queries]
            embeddings = joined_queries(*parts)
            results = index.search(embeddings.cpu(), args.top_k, args.engine)
        except (ValueError, ImportError) as error:
            raise UserError(str(error)) from error
        writer = csv.writer(sys.stdout, lineterminator='\n')
        writer.writerow(['query', 'result', 'similarity'])
        for query, of_query in zip(queries, results):
            for name, similarity in of_query:
                writer.writerow([query, name, f'{similarity:.4f}'])

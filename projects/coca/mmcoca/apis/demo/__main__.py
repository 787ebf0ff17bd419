# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Open a page on this machine to search, caption, classify and ask."""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from mmcoca.apis import EmbeddingIndex, load_model
from mmcoca.command_line import embed, user_errors
from mmcoca.datasets.shards.tar_index import state_of
from mmcoca.errors import UserError
from mmcoca.models.tasks import CoCaForVQA
from mmcoca.weights import weights_mark

from .answers import Answers
from .pictures import FolderPictures, ShardPictures

HOST = '127.0.0.1'
ICONS = 'data/icons/train'
UNREADABLE = 3  # the exit status of embed where some images could not be read


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog='python -m mmcoca.apis.demo',
        description=f'{__doc__} Only this machine sees the page, and nothing is fetched or told '
        'anywhere.',
        epilog='example: python -m mmcoca.apis.demo --images my_icons',
    )
    parser.add_argument(
        'model',
        nargs='?',
        default='coca_small_icons',
        help='a model that comes with the package, or a work directory (%(default)s)'
    )
    parser.add_argument('checkpoint', nargs='?', help='with a config in place of the model')
    source = parser.add_mutually_exclusive_group()
    source.add_argument('--images', help='folder of images to search')
    source.add_argument(
        '--shards', help=f'tar shards to search ({ICONS}, where icons.py has made it)'
    )
    parser.add_argument('--vqa', help='work directory of a model that answers questions')
    parser.add_argument('--port', type=int, default=7860, help='(%(default)s)')
    return parser.parse_args(argv)


def check_port(port: int) -> None:
    """Raise UserError for a port that cannot be had."""
    if not 0 < port < 2**16:
        raise UserError(f'--port {port}: use 1 to {2**16 - 1}')
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((HOST, port))
        except OSError as error:
            message = f'port {port} cannot be had ({error.strerror}): choose another by --port'
            raise UserError(message) from error


def source_of(args: argparse.Namespace) -> FolderPictures | ShardPictures | None:
    """What is searched; None where there is nothing. Raises UserError for a file, not a folder."""
    if args.images:
        if Path(args.images).is_file():
            raise UserError(f'--images {args.images} is a file: name its folder')
        return FolderPictures(args.images)
    if args.shards or Path(ICONS).is_dir():
        return ShardPictures(args.shards or ICONS)
    print('nothing to search: --images FOLDER, or tools/dataset_converters/icons.py makes icons')
    return None


def index_of(
    args: argparse.Namespace, pictures: FolderPictures | ShardPictures, mark: str
) -> EmbeddingIndex:
    """The pictures' index, made under a bar at the first time and after each change, and kept.

    Args:
        mark: Of the model's weights.
    """
    cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache', 'mmcoca')
    files = [(str(file), *state_of(file)) for file in pictures.files()]
    key = repr((str(Path(pictures.source).resolve()), mark, files))
    path = cache / f'index-{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors'
    if not path.is_file():
        new = path.with_suffix('.new.safetensors')
        model = [args.model] + ([args.checkpoint] if args.checkpoint else [])
        command = [*model, pictures.option, pictures.source, '--out', str(new)]
        try:
            embed.main([*command, '--batch-size', '64'])
        except SystemExit as end:
            if end.code != UNREADABLE:
                raise
        new.rename(path)
        print(f'the index is kept in {path}')
    return EmbeddingIndex.load(path)


def load_vqa(path: str | None) -> CoCaForVQA | None:
    """The model that answers questions. Raises UserError for another kind of model."""
    if path is None:
        return None
    model = load_model(path)
    if not isinstance(model, CoCaForVQA):
        raise UserError(f'--vqa {path}: this {type(model).__name__} answers no questions')
    return model


def main(argv: Sequence[str] | None = None) -> None:
    """Load, index, and serve until interrupted."""
    args = parse_args(argv)
    with user_errors():
        if importlib.util.find_spec('gradio') is None:
            raise UserError('gradio is missing: pip install "mmcoca[demo]"')
        check_port(args.port)
        from starlette.middleware import Middleware

        from .page import OnlyFromHere, build_page

        pictures = source_of(args)
        model = load_model(args.model, args.checkpoint)
        index = pictures and index_of(args, pictures, weights_mark(model))
        page = build_page(Answers(model, index, pictures, load_vqa(args.vqa)))
        page.launch(
            server_name=HOST,
            server_port=args.port,
            share=False,
            show_api=False,
            max_file_size='64mb',
            app_kwargs=dict(middleware=[Middleware(OnlyFromHere)]),
        )


if __name__ == '__main__':
    main()

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A page of captions: each image, and for each word of its caption where the model looked.

One HTML file that holds its pictures, so that it can be sent around.
"""

from __future__ import annotations

import argparse
import base64
import html
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mmcoca.apis import Description, describe_images, find_images, load_images, name_below
from mmcoca.command_line import (
    add_model_arguments,
    check_out,
    exit_with,
    load_model_of,
    parse_model_arguments,
    positive,
    show_progress,
    user_errors,
)
from mmcoca.errors import UserError
from mmcoca.models import CoCa

PICTURE_SIZE = 112  # pixels on the page
STYLE = f"""
body {{ font: 15px/1.4 sans-serif; margin: 2em; background: #fff; color: #222; }}
.row {{ display: flex; flex-wrap: wrap; gap: .8em; margin-bottom: 1.6em; }}
figure {{ margin: 0; width: {PICTURE_SIZE}px; }}
figcaption {{ text-align: center; overflow-wrap: anywhere; }}
.path {{ color: #777; font-size: 12px; }}
img {{ width: {PICTURE_SIZE}px; height: {PICTURE_SIZE}px; image-rendering: pixelated; }}
"""


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: python tools/visualization/caption_sheet.py '
        'configs/coca/coca_tiny_emoji.py work_dirs/coca_tiny_emoji my_images --out captions.html',
    )
    add_model_arguments(parser)
    parser.add_argument('images', help='folder of images, or one image')
    parser.add_argument('--out', required=True, help='file to write, .html')
    parser.add_argument('--max-images', type=positive, default=48, help='the first so many (48)')
    parser.add_argument(
        '--num-beams', type=positive, default=1, help='1: the most probable next token'
    )
    parser.add_argument('--max-length', type=int, help='tokens, with start and end')
    return parse_model_arguments(parser, argv)


def as_pictures(model: CoCa, images: Tensor) -> np.ndarray:
    """Normalised images (B,3,height,width) -> what the model saw, (B,height,width,3) in 0..1."""
    preprocessor = model.data_preprocessor
    pixels = images * preprocessor.std + preprocessor.mean
    return (pixels.permute(0, 2, 3, 1) / 255).clamp(0, 1).cpu().numpy()


def overlay(picture: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A picture (height,width,3) under a map (height,width): pale for little, red for most."""
    strength = (weights / weights.max())[..., None]
    pale = 1 - 0.35 * (1 - picture)
    red = np.array([0.86, 0.08, 0.08])
    return (1 - 0.6 * strength) * pale + 0.6 * strength * red


def figure(picture: np.ndarray, caption: str) -> str:
    """HTML of a picture (height,width,3) and the text below it."""
    file = io.BytesIO()
    Image.fromarray((255 * picture).round().astype(np.uint8)).save(file, 'PNG')
    data = base64.b64encode(file.getvalue()).decode()
    return (
        f'<figure><img alt="" src="data:image/png;base64,{data}">'
        f'<figcaption>{caption}</figcaption></figure>'
    )


def row(picture: np.ndarray, name: str, description: Description) -> str:
    """HTML of an image, its caption, and a picture for each word."""
    caption = description.captions[0]
    title = f'{html.escape(caption.text)}<br><span class="path">{html.escape(name)}, '
    title += f'log p {caption.log_probability:.1f}</span>'
    words, maps = description.attention[0]
    figures = [figure(picture, title)]
    for word, weights in zip(words, maps.cpu().numpy()):
        figures.append(figure(overlay(picture, weights), html.escape(word)))
    return f'<div class="row">{"".join(figures)}</div>'


@torch.no_grad()
def describe(model, paths, args, rows):
    """Add a row of HTML an image; yield what `show_progress` takes."""
    for read, images, unreadable in load_images(model, paths, args.batch_size, args.num_workers):
        if read:
            options = dict(num_beams=args.num_beams, max_length=args.max_length)
            descriptions = describe_images(model, images, with_attention=True, **options)
            for path, *rest in zip(read, as_pictures(model, images), descriptions):
                rows.append(row(rest[0], name_below(path, args.images), rest[1]))
        yield len(read) + len(unreadable), unreadable


def main(argv: Sequence[str] | None = None) -> None:
    """Caption, with a bar, and write the page."""
    args = parse_args(argv)
    with user_errors():
        check_out(args.out, '.html')
        found = find_images(args.images)
        paths = found[:args.max_images]
        model = load_model_of(args)
        rows = []
        try:
            unreadable = show_progress(describe(model, paths, args, rows), len(paths), 'captions')
        except ValueError as error:
            raise UserError(str(error)) from error
        page = f'<!doctype html><meta charset="utf-8"><title>Captions</title><style>{STYLE}</style>'
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        Path(args.out).write_text(page + '\n'.join(rows) + '\n', encoding='utf-8')
    if len(paths) < len(found):
        print(f'{len(paths)} of {len(found)} images are on the page: --max-images', file=sys.stderr)
    exit_with(unreadable, len(paths))


if __name__ == '__main__':
    main()

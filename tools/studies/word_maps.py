# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Do maps of words show what the words need? A deletion test of several kinds of maps.

Of drawings that a model never saw, with their true captions, the quarter of the patches that a map
has highest for a word is made white, and the word's log-probability falls: the more, the better the
map shows what the word needs. Beside attention, occlusion and gradients stand the patches with the
most ink, and random ones. Writes JSON and a table.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev

import torch
import torch.nn.functional as F
from captioned_drawings import captioned_drawings
from origin import origin
from rich.progress import track
from torch import Tensor

from mmcoca.apis import load_images, load_model
from mmcoca.command_line import positive, user_errors
from mmcoca.models import CoCa
from mmcoca.models.word_attention import average_words, word_maps
from mmcoca.models.word_occlusion import token_log_probabilities

HIDDEN = 4  # one in so many patches
SEED = 0


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: python tools/studies/word_maps.py coca_small_icons '
        '--out docs/studies/word_maps.json',
    )
    parser.add_argument('model', help='name of a shipped model, or a work directory')
    parser.add_argument(
        '--annotations',
        type=Path,
        default=Path('data/icons/annotations/test_ph.json'),
        help='drawings and captions (%(default)s)'
    )
    parser.add_argument(
        '--images', type=Path, default=Path('data/icons/images'), help='(%(default)s)'
    )
    parser.add_argument('--number', type=positive, default=400, help='drawings (%(default)s)')
    parser.add_argument('--out', type=Path, required=True, help='.json; the table beside it: .md')
    return parser.parse_args(argv)


def attention(model: CoCa, image: Tensor, caption: str) -> Tensor:
    """An image (1,3,height,width) -> where the model looks for each word (words,rows,columns)."""
    image_tokens = model.backbone(image)[-1]
    ((_, maps), ) = word_maps(model, image_tokens, image.shape[-2:], [caption])
    return maps


def occlusion(model: CoCa, image: Tensor, caption: str) -> Tensor:
    """By how much each word's log-probability falls where a patch alone is white."""
    rows, columns = (side // model.backbone.patch_size for side in image.shape[-2:])
    chosen = torch.eye(rows * columns, dtype=torch.bool).unflatten(1, (rows, columns))
    return falls(model, image, caption, chosen).unflatten(1, (rows, columns))


def gradient(model: CoCa, image: Tensor, caption: str) -> Tensor:
    """A word's log-probability as the pixels add to it, to first order, from white on."""
    with torch.enable_grad():
        pixels = image.clone().requires_grad_()
        (of_tokens, ) = token_log_probabilities(model, pixels, caption)
        gradients = [torch.autograd.grad(p, pixels, retain_graph=True)[0] for p in of_tokens]
    parts = (torch.cat(gradients) * image).sum(dim=1)  # (L-2,height,width)
    patches = F.avg_pool2d(parts[:, None], model.backbone.patch_size)[:, 0]
    _, of_words = average_words(model.tokenizer, caption, patches.flatten(1))
    return of_words.unflatten(1, patches.shape[1:])


def ink(model: CoCa, image: Tensor, caption: str) -> Tensor:
    """How dark each patch is, the same for each word."""
    dark = F.avg_pool2d(image.abs().mean(dim=1), model.backbone.patch_size)
    return dark.repeat(len(caption.split()), 1, 1)


def chance(model: CoCa, image: Tensor, caption: str) -> Tensor:
    """Random values."""
    rows, columns = (side // model.backbone.patch_size for side in image.shape[-2:])
    return torch.rand(len(caption.split()), rows, columns)


MAPS: dict[str, Callable] = {
    'attention': attention,
    'occlusion': occlusion,
    'gradient': gradient,
    'most ink': ink,
    'random': chance,
}


def falls(model: CoCa, image: Tensor, caption: str, hidden: Tensor) -> Tensor:
    """Patches to make white (M,rows,columns) -> by how much each word's log-probability falls
    (words,M), in nats.
    """
    masks = F.interpolate(hidden[:, None].float(), size=image.shape[-2:])
    copies = torch.cat([image, image * (1 - masks)])
    whole, *others = token_log_probabilities(model, copies, caption)
    _, of_words = average_words(model.tokenizer, caption, (whole - torch.stack(others)).T)
    return of_words


def highest(maps: Tensor) -> Tensor:
    """Maps (words,rows,columns) -> their highest patches, True."""
    flat = maps.flatten(1)
    places = flat.topk(flat.shape[1] // HIDDEN).indices
    return torch.zeros_like(
        flat, dtype=torch.bool
    ).scatter(1, places, True).unflatten(1, maps.shape[1:])


def some_of(drawings: Sequence[tuple[Path, str]], number: int) -> dict[Path, str]:
    """So many of all drawings, at random, and their captions."""
    captions = dict(sorted(drawings))
    paths = list(captions)
    chosen = torch.randperm(len(paths), generator=torch.Generator().manual_seed(SEED))[:number]
    return {paths[place]: captions[paths[place]] for place in chosen.tolist()}


@torch.no_grad()
def measure(model: CoCa, captions: dict[Path, str]) -> dict[str, list[float]]:
    """By kind of map, the fall of each word of all drawings."""
    torch.manual_seed(SEED)
    found = {kind: [] for kind in MAPS}
    read = [
        (path, image[None])
        for paths, images, _ in load_images(model, list(captions))
        for path, image in zip(paths, images)
    ]
    for path, image in track(read, 'Drawings'):
        for kind, maps_of in MAPS.items():
            hidden = highest(maps_of(model, image, captions[path]))
            found[kind] += falls(model, image, captions[path], hidden).diagonal().tolist()
    return found


def markdown(found: dict[str, list[float]], model: str) -> str:
    """The table."""
    lines = []
    for kind, values in found.items():
        error = f' ± {stdev(values) / len(values)**0.5:.2f}' if len(values) > 1 else ''
        lines.append(f'| {kind} | {mean(values):.2f}{error} |')
    words = len(next(iter(found.values())))
    return '\n'.join(
        [
            f'# What words of {model} need', '',
            f'By how many nats the log-probability of a word falls, the mean of {words} words and '
            f'its standard error, where 1 in {HIDDEN} patches is made white: those that a map has '
            'highest.', '', '| patches by | fall |', '|---|---|', *lines, '',
            origin(), ''
        ]
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and write."""
    args = parse_args(argv)
    with user_errors():
        captions = some_of(captioned_drawings(args.annotations, args.images), args.number)
        found = measure(load_model(args.model), captions)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        rounded = {kind: [round(fall, 3) for fall in values] for kind, values in found.items()}
        args.out.write_text(json.dumps(rounded) + '\n')
        args.out.with_suffix('.md').write_text(markdown(found, Path(args.model).stem))
        print(f'wrote {args.out} and, beside it, the table')


if __name__ == '__main__':
    main()

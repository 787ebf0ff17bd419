# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Draw a model's training curves, predictions and what its words look at and need, as PNG files."""

import argparse
import json
import math
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

try:
    # Without pyplot, figures are drawn by Agg, whatever screen there is.
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
except ImportError as error:
    raise SystemExit(
        f'error: {error}; install what this script needs with pip install "mmcoca[icons]"'
    ) from None

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset, default_collate
from mmengine.registry import init_default_scope
from mmpretrain import get_model
from mmpretrain.registry import DATASETS
from torch import Tensor

from mmcoca.command_line import ConfigOptions, load_config, user_errors
from mmcoca.errors import UserError
from mmcoca.models import CoCa
from mmcoca.models.word_attention import word_maps
from mmcoca.models.word_occlusion import word_occlusion
from mmcoca.weights import check_checkpoint, find_checkpoint

NUM_PREDICTIONS = 24
NUM_ATTENTIONS = 6
NUM_NEAREST = 3
DPI = 120
LINE_HEIGHT = 0.15  # inches
RESUMED = re.compile(r'^resume ?= ?True$', re.MULTILINE)  # in a run's config
RIGHT, WRONG, QUIET = '#1b6e3c', '#a8482c', '#777777'  # text colours
HEAT = LinearSegmentedColormap.from_list('heat', [(0.9, 0.1, 0, 0), (0.9, 0.1, 0, 0.8)])
PANELS = {  # title: how the names of its curves begin
    'training: losses, each with its weight': 'loss',
    'training: learning rate': 'lr',
    'training: temperature': 'temperature',
    'validation: image to text, %': 'i2t/retrieval/Recall@',
    'validation: text to image, %': 't2i/retrieval/Recall@',
    'validation: captions, %': 'caption/',
}

Curves = dict[str, list[tuple[int, float]]]  # points (iteration, value) of each scalar


class Prediction(NamedTuple):
    """A test image, RGB (height,width,3), and what the model says: None without such a head."""

    image: np.ndarray
    true_captions: list[str]
    generated: str | None
    nearest: list[str] | None


def read_run(file: Path) -> Curves:
    """The scalars of one run's file. Raises UserError if it is not JSON Lines."""
    curves, iteration = {}, None
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        try:
            scalars = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f'{file} line {number}: invalid JSON: {error.msg}') from error
        # A validation line may count epochs; the training line above it tells the iteration.
        if 'loss' in scalars or iteration is None:
            iteration = scalars['step']
        for name, value in scalars.items():
            curves.setdefault(name, []).append((iteration, value))
    return curves


def was_resumed(file: Path) -> bool:
    """Whether the run that wrote this file of scalars went on from an earlier one."""
    config = file.with_name('config.py')
    return config.is_file() and bool(RESUMED.search(config.read_text()))


def read_curves(work_dir: Path) -> Curves:
    """The scalars of a work directory's newest run, {} if there are none.

    A resumed run goes on with the curves of the run before, from its own first iteration.
    Raises UserError for a file that is not JSON Lines.
    """
    files = sorted(work_dir.glob('*/vis_data/scalars.json'))
    start = max(len(files) - 1, 0)
    while start > 0 and was_resumed(files[start]):
        start -= 1
    curves = {}
    for run in map(read_run, files[start:]):
        first = min((points[0][0] for points in run.values()), default=math.inf)
        for name in dict.fromkeys([*curves, *run]):
            before = [point for point in curves.get(name, []) if point[0] < first]
            curves[name] = before + run.get(name, [])
    return {name: points for name, points in curves.items() if points}


def draw_curves(curves: Curves) -> Figure:
    """The panels over iterations, each curve's last value in the legend."""
    figure = Figure(figsize=(17, 7.5), layout='constrained')
    for axes, (title, prefix) in zip(figure.subplots(2, 3).flat, PANELS.items()):
        for name in (name for name in curves if name.startswith(prefix)):
            iterations, values = zip(*curves[name])
            marker = 'o' if '/' in name or len(values) == 1 else None  # few points
            label = f"{name.rpartition('/')[2]}: {values[-1]:.3g}"
            axes.plot(iterations, values, marker=marker, label=label)
        axes.set(title=title, xlabel='iteration')
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(loc='upper left', bbox_to_anchor=(1, 1), fontsize=8, frameon=False)
        else:
            axes.set_axis_off()
            axes.text(0.5, 0.5, 'not logged', ha='center', color=QUIET)
    return figure


def add_text(figure: Figure, text: str, left: float, top: float, **style) -> None:
    """A line of plain text, `top` down to its baseline, in inches from the figure's corner."""
    width, height = figure.get_size_inches()
    # A caption's dollar signs are no formula.
    figure.text(left / width, 1 - top / height, text, parse_math=False, **style)


def add_image(figure: Figure, image: np.ndarray, left: float, top: float, size: float) -> Axes:
    """An image in a square of `size` inches, placed in inches from the figure's top left corner."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, 1 - (top + size) / height, size / width, size / height))
    axes.imshow(image, interpolation='lanczos', cmap='gray', vmin=0, vmax=255)
    axes.set_axis_off()
    return axes


def caption_lines(prediction: Prediction) -> Iterator[tuple[str, str, str]]:
    """Label, text and colour of each line beside an image."""
    truth = {caption.casefold() for caption in prediction.true_captions}
    entries = [('true', prediction.true_captions[0], 'black', 2)]
    if prediction.generated is not None:
        entries.insert(0, ('generated', prediction.generated or '(empty)', WRONG, 2))
    for rank, text in enumerate(prediction.nearest or []):
        entries.append(('' if rank else 'nearest', text, QUIET, 1))
    for label, text, color, max_lines in entries:
        if label != 'true' and text.casefold() in truth:
            text, color = f'✓ {text}', RIGHT
        for line in textwrap.wrap(text, 42, max_lines=max_lines, placeholder=' …'):
            yield label, line, color
            label = ''  # once is enough


def draw_predictions(predictions: Sequence[Prediction], title: str) -> Figure:
    """A sheet of images with generated, true and nearest texts."""
    columns, cell_width, cell_height, image_size = 3, 4.4, 1.25, 1.05
    rows = -(-len(predictions) // columns)
    figure = Figure(figsize=(columns * cell_width, rows * cell_height + 0.5))
    add_text(figure, title, 0.1, 0.25, fontsize=9)
    for number, prediction in enumerate(predictions):
        left = 0.1 + number % columns * cell_width
        top = 0.5 + number // columns * cell_height
        add_image(figure, prediction.image, left, top, image_size)
        left += image_size + 0.12
        for line, (label, text, color) in enumerate(caption_lines(prediction)):
            y = top + (line + 1) * LINE_HEIGHT
            add_text(figure, label, left, y, fontsize=7.5, color=QUIET)
            add_text(figure, text, left + 0.62, y, fontsize=8, color=color)
    return figure


def of_mean(heat: np.ndarray) -> tuple[float, float, str]:
    """The range of an attention map's colours, and how much its peak is above the mean."""
    return heat.min(), heat.max(), f'×{heat.max() / heat.mean():.1f}'


def of_nats(heat: np.ndarray) -> tuple[float, float, str]:
    """The range of colours from 0 to the largest fall, but for one that is none, and that fall."""
    return 0, max(heat.max(), 0.1), f'{heat.max():.1f}'


def draw_words(
    pictures: Sequence[np.ndarray],
    maps: Sequence[tuple[list[str], np.ndarray]],
    scale: Callable[[np.ndarray], tuple[float, float, str]],
    title: str,
) -> Figure:
    """Images, RGB (height,width,3), and a heat map for each word: (words,rows,columns).

    Args:
        scale: A map's least and greatest colour, and a note on it.
    """
    size, gap, word_height = 1.2, 0.1, 0.25
    words_a_row = min(max(6, *(len(words) for words, _ in maps)), 10)
    width, height = size + gap, size + gap + word_height
    num_rows = [-(-len(words) // words_a_row) for words, _ in maps]
    figure = Figure(figsize=((words_a_row + 1) * width + gap, sum(num_rows) * height + 0.5))
    add_text(figure, title, gap, 0.25, fontsize=9)
    top = 0.5
    for picture, (words, heat), rows in zip(pictures, maps, num_rows):
        add_image(figure, picture, gap, top + word_height, size)
        for i, word in enumerate(words):
            left, y = gap + (1 + i % words_a_row) * width, top + i // words_a_row * height
            word = word if len(word) <= 17 else f'{word[:16]}…'
            add_text(figure, word, left + size / 2, y + word_height - 0.07, fontsize=9, ha='center')
            pale = 128 + picture.mean(axis=2) / 2  # and grey: all red is attention
            axes = add_image(figure, pale, left, y + word_height, size)
            extent = (*axes.get_xlim(), *axes.get_ylim())
            low, high, note = scale(heat[i])
            axes.imshow(heat[i], HEAT, vmin=low, vmax=high, extent=extent, interpolation='bicubic')
            right, bottom = left + size, y + height - gap
            add_text(figure, note, right - 0.05, bottom - 0.05, fontsize=7.5, ha='right')
        top += rows * height
    return figure


def choose(total: int, count: int, seed: int) -> list[int]:
    """One index at random from each of `count` equal parts of range(total)."""
    edges = np.linspace(0, total, min(count, total) + 1).astype(int)
    return np.random.default_rng(seed).integers(edges[:-1], edges[1:]).tolist()


def build_model(cfg: Config, checkpoint: str) -> CoCa:
    """The config's model with a checkpoint's weights. Raises UserError where its parts clash."""
    try:
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
        model = get_model(cfg, pretrained=checkpoint, device=device)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f'{cfg.filename}: {error}') from error
    if not isinstance(model, CoCa):
        raise UserError(f'{cfg.filename}: the model is {type(model).__name__}, not mmcoca.CoCa')
    check_checkpoint(checkpoint, model)
    return model


def predict(model: CoCa, images: Tensor, texts: list[str], batch_size: int) -> list[tuple]:
    """Caption and nearest texts, None without such a head, of each image (B,3,height,width)."""
    samples = model.predict(images)
    nearest = [None] * len(samples)
    if model.contrastive_head is not None:
        batches = [texts[i:i + batch_size] for i in range(0, len(texts), batch_size)]
        with torch.no_grad():
            text_features = torch.cat([model.encode_text(batch) for batch in batches])
        similarity = torch.stack([sample.image_feature for sample in samples]) @ text_features.T
        best = similarity.topk(min(NUM_NEAREST, len(texts))).indices.tolist()
        nearest = [[texts[i] for i in row] for row in best]
    return [(sample.get('pred_caption'), near) for sample, near in zip(samples, nearest)]


def read_test_set(cfg: Config) -> tuple[BaseDataset, list[list[str]]]:
    """The test data set and each image's captions. Raises UserError where there are none."""
    init_default_scope('mmpretrain')
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    captions = [dataset.get_data_info(i).get('gt_caption') for i in range(len(dataset))]
    if None in captions:
        raise UserError(f'{cfg.filename}: the images of test_dataloader have no gt_caption')
    return dataset, [[texts] if isinstance(texts, str) else texts for texts in captions]


def draw_report(cfg: Config, checkpoint: str, work_dir: Path,
                seed: int) -> Iterator[tuple[str, Figure]]:
    """Name and figure of what there is to draw: curves need a log, maps of words need captions."""
    curves = read_curves(work_dir)
    if curves:
        yield 'curves', draw_curves(curves)
    model = build_model(cfg, checkpoint)
    dataset, captions = read_test_set(cfg)
    texts = sorted(set().union(*captions))
    chosen = choose(len(dataset), NUM_PREDICTIONS, seed)
    batch = default_collate([dataset[i] for i in chosen])
    pictures = batch['inputs'].flip(1) if model.data_preprocessor.to_rgb else batch['inputs']
    pictures = pictures.permute(0, 2, 3, 1).numpy()
    images = model.data_preprocessor(batch)['images']
    outputs = predict(model, images, texts, cfg.test_dataloader.batch_size)
    read = dataset.pipeline.transforms[0]  # as the model is given them: SVG, on white
    originals = (read(dataset.get_data_info(i))['img'][..., ::-1] for i in chosen)
    predictions = [Prediction(p, captions[i], *o) for p, i, o in zip(originals, chosen, outputs)]
    yield 'predictions', draw_predictions(
        predictions,
        f'{len(chosen)} of {len(dataset):,} test images (evenly spread, seed {seed}); nearest: of '
        f'all {len(texts):,} test captions; green ✓: a true caption',
    )
    rows = [i for i, prediction in enumerate(predictions) if prediction.generated]
    rows = [rows[i] for i in choose(len(rows), NUM_ATTENTIONS, seed)]
    if not rows:
        print(
            'no attention.png and occlusion.png: no generated caption has a word', file=sys.stderr
        )
        return
    generated = [predictions[i].generated for i in rows]
    with torch.no_grad():
        tokens = model.backbone(images[rows])[-1]
    maps = word_maps(model, tokens, images.shape[-2:], generated)
    yield 'attention', draw_words(
        pictures[rows],
        [(words, weights.cpu().numpy()) for words, weights in maps],
        of_mean,
        'Where the model looks as it writes each word, from least (clear) to most (red); ×2: '
        'the peak is twice the mean',
    )
    yield 'occlusion', draw_words(
        pictures[rows],
        [
            (words, falls.cpu().numpy())
            for words, falls in word_occlusion(model, images[rows], generated)
        ],
        of_nats,
        'What each word needs: where its log-probability falls if a square is hidden, from not at '
        'all (clear) to most (red; the fall in nats)',
    )


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description='Draw curves, predictions, attention and occlusion of a model, as PNG files.',
        epilog='example: python tools/visualization/draw_report.py '
        'configs/coca/coca_tiny_emoji.py work_dirs/coca_tiny_emoji',
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file, or a work directory for its last one')
    parser.add_argument('--out', help='folder for the pictures (default: the work directory)')
    parser.add_argument('--seed', type=int, default=0, help='which test images (default: 0)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help='override settings of the config, e.g. test_dataloader.dataset.data_root=DIR',
    )
    # What else load_config reads.
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0, no_pin_memory=True)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw, and write what could be drawn."""
    args = parse_args(argv)
    with user_errors():
        cfg = load_config(args)
        checkpoint, given = find_checkpoint(args.checkpoint), Path(args.checkpoint)
        work_dir = given if given.is_dir() else given.parent
        out = Path(args.out or work_dir)
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f'--out {out}: {error.strerror}') from error
        for name, figure in draw_report(cfg, checkpoint, work_dir, args.seed):
            figure.savefig(out / f'{name}.png', dpi=DPI)
            print(out / f'{name}.png')


if __name__ == '__main__':
    main()

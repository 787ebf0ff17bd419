# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Draw a model's training curves, predictions and word attention into three PNG files."""

import argparse
import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.dataset import default_collate
from mmengine.registry import init_default_scope
from mmpretrain import get_model
from mmpretrain.registry import DATASETS
from torch import Tensor

from mmcoca.apis.command_line import UserError, find_checkpoint, load_config, user_errors
from mmcoca.models import CoCa
from mmcoca.models.word_attention import average_words, word_attention

try:
    # Without pyplot, figures are drawn by Agg, whatever screen there is.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as error:
    raise SystemExit(
        f'error: {error}; install what this script needs with pip install "mmcoca[emoji]"'
    ) from None

NUM_PREDICTIONS = 24
NUM_ATTENTIONS = 6
NUM_NEAREST = 3
DPI = 120
LINE_HEIGHT = 0.15  # inches
RIGHT, WRONG, QUIET = '#1b6e3c', '#a8482c', '#777777'  # text colours

Curves = dict[str, list[tuple[int, float]]]  # points (iteration, value) of each scalar


class Prediction(NamedTuple):
    """A test image, RGB (H,W,3), and what the model says of it; None where it has no such head."""

    image: np.ndarray
    true_captions: list[str]
    generated: str | None
    nearest: list[str] | None


class Attention(NamedTuple):
    """An image, RGB (H,W,3), a caption's words, and where each looks: (words,rows,columns)."""

    image: np.ndarray
    words: list[str]
    weights: np.ndarray


def read_curves(work_dir: Path) -> Curves:
    """The scalars of a work directory's newest run, {} if there are none.

    Raises UserError for a file that is not JSON Lines.
    """
    files = sorted(work_dir.glob('*/vis_data/scalars.json'))
    curves, iteration = {}, None
    for number, line in enumerate(files[-1].read_text().splitlines() if files else [], start=1):
        try:
            scalars = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f'{files[-1]} line {number}: invalid JSON: {error.msg}') from error
        # A validation line may count epochs; the training line above it tells the iteration.
        if 'loss' in scalars or iteration is None:
            iteration = scalars['step']
        for name, value in scalars.items():
            curves.setdefault(name, []).append((iteration, value))
    return curves


def plot_points(axes: Axes, curves: Curves, name: str, label: str, *style, **options) -> None:
    """Draw one scalar, if it was logged, with its last value in the legend."""
    if name in curves:
        last = curves[name][-1][1]
        axes.plot(*zip(*curves[name]), *style, label=f'{label}: {last:.3g}', **options)


def draw_curves(curves: Curves) -> Figure:
    """Losses, learning rate and temperature, and the two kinds of metrics over iterations."""
    figure = Figure(figsize=(11, 7.5), layout='constrained')
    (losses, rates), (retrieval, captions) = figure.subplots(2, 2)
    temperature = rates.twinx()
    plot_points(losses, curves, 'loss', 'total')
    plot_points(losses, curves, 'loss_contrastive', 'contrastive')
    plot_points(losses, curves, 'loss_captioning', 'captioning')
    plot_points(rates, curves, 'lr', 'learning rate (left)', color='C0')
    plot_points(temperature, curves, 'temperature', 'temperature (right)', color='C1')
    for color, k in enumerate((1, 5, 10)):
        for way, label, style in (('i2t', 'image to text', 'o-'), ('t2i', 'text to image', 's--')):
            name = f'{way}/retrieval/Recall@{k}'
            plot_points(retrieval, curves, name, f'{label} @{k}', style, color=f'C{color}')
    for name in curves:
        if name.startswith('caption/'):
            plot_points(captions, curves, name, name.removeprefix('caption/'), 'o-')
    for axes, title in (
        (losses, 'Training: losses, each with its weight'),
        (rates, 'Training: learning rate and temperature'),
        (retrieval, 'Validation: retrieval, Recall'),
        (captions, 'Validation: captions'),
    ):
        axes.set(title=title, xlabel='iteration')
        axes.grid(alpha=0.3)
        lines = [*axes.lines, *(temperature.lines if axes is rates else [])]
        if lines:
            axes.legend(handles=lines, fontsize=8)
        else:
            axes.text(0.5, 0.5, 'not logged', transform=axes.transAxes, ha='center', color=QUIET)
    return figure


def add_text(figure: Figure, text: str, left: float, top: float, **style) -> None:
    """Plain text, placed in inches from the figure's top left corner."""
    width, height = figure.get_size_inches()
    # A caption's dollar signs are no formula.
    figure.text(left / width, 1 - top / height, text, va='top', parse_math=False, **style)


def add_image(figure: Figure, image: np.ndarray, left: float, top: float, size: float) -> Axes:
    """An image in a square of `size` inches, placed in inches from the figure's top left corner."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, 1 - (top + size) / height, size / width, size / height))
    axes.imshow(image, interpolation='lanczos', cmap='gray', vmin=0, vmax=255)
    axes.set_axis_off()
    return axes


def normalize(caption: str) -> str:
    """A caption for comparison: case and white space do not count."""
    return ' '.join(caption.casefold().split())


def caption_lines(prediction: Prediction) -> Iterator[tuple[str, str, str]]:
    """Label, text and colour of each line beside an image."""
    truth = {normalize(caption) for caption in prediction.true_captions}
    entries = [('true', prediction.true_captions[0], 2)]
    if prediction.generated is not None:
        entries.insert(0, ('generated', prediction.generated or '(empty)', 2))
    entries += [('nearest', text, 1) for text in prediction.nearest or []]
    last_label = ''
    for label, text, max_lines in entries:
        is_right = label != 'true' and normalize(text) in truth
        color = 'black' if label == 'true' else RIGHT if is_right else WRONG
        text = f'✓ {text}' if is_right else text
        for line in textwrap.wrap(text, 42, max_lines=max_lines, placeholder=' …'):
            yield '' if label == last_label else label, line, color
            last_label = label


def draw_predictions(predictions: Sequence[Prediction], title: str) -> Figure:
    """A sheet of images with generated, true and nearest texts."""
    columns, cell_width, cell_height, image_size = 3, 4.4, 1.25, 1.05
    rows = -(-len(predictions) // columns)
    figure = Figure(figsize=(columns * cell_width, rows * cell_height + 0.5))
    add_text(figure, title, 0.1, 0.12, fontsize=9)
    for number, prediction in enumerate(predictions):
        left = 0.1 + number % columns * cell_width
        top = 0.5 + number // columns * cell_height
        add_image(figure, prediction.image, left, top, image_size)
        left += image_size + 0.12
        for line, (label, text, color) in enumerate(caption_lines(prediction)):
            y = top + line * LINE_HEIGHT
            add_text(figure, label, left, y, fontsize=7.5, color=QUIET)
            add_text(figure, text, left + 0.62, y, fontsize=8, color=color)
    return figure


def draw_attentions(attentions: Sequence[Attention], title: str) -> Figure:
    """Each image, and beside it a heat map over it for each word of its caption."""
    words_a_row, size, gap, word_height = 8, 1.2, 0.1, 0.25
    num_rows = [-(-len(attention.words) // words_a_row) for attention in attentions]
    cell_width, cell_height = size + gap, size + gap + word_height
    figure = Figure(
        figsize=((words_a_row + 1) * cell_width + gap, sum(num_rows) * cell_height + 0.5)
    )
    add_text(figure, title, gap, 0.12, fontsize=9)
    top = 0.5
    for attention, rows in zip(attentions, num_rows):
        add_image(figure, attention.image, gap, top + word_height, size)
        for i, (word, weights) in enumerate(zip(attention.words, attention.weights)):
            left = gap + (1 + i % words_a_row) * cell_width
            y = top + i // words_a_row * cell_height
            word = textwrap.shorten(word, 16, placeholder='…')
            add_text(figure, word, left + size / 2, y + 0.05, fontsize=9, ha='center')
            # Grey, so that all colour is attention.
            axes = add_image(figure, attention.image.mean(axis=2), left, y + word_height, size)
            axes.imshow(
                weights,
                extent=(*axes.get_xlim(), *axes.get_ylim()),
                interpolation='bicubic',
                cmap='inferno',
                vmin=0,
                vmax=attention.weights.max(),
                alpha=0.6,
            )
        top += rows * cell_height
    return figure


def choose(total: int, count: int, seed: int) -> list[int]:
    """One index at random from each of `count` equal parts of range(total)."""
    edges = np.linspace(0, total, min(count, total) + 1).astype(int)
    return np.random.default_rng(seed).integers(edges[:-1], edges[1:]).tolist()


def build_model(cfg: Config, checkpoint: str) -> CoCa:
    """The config's model with a checkpoint's weights. Raises UserError where its parts clash."""
    try:
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
        return get_model(cfg, pretrained=checkpoint, device=device)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f'{cfg.filename}: {error}') from error


def predict(model: CoCa, images: Tensor, texts: list[str], batch_size: int) -> list[tuple]:
    """Generated caption and nearest texts, None without such a head, of each image (B,3,H,W)."""
    samples = model.predict(images)
    nearest = [None] * len(samples)
    if model.contrastive_head is not None:
        batches = [texts[i : i + batch_size] for i in range(0, len(texts), batch_size)]
        with torch.no_grad():
            text_features = torch.cat([model.encode_text(batch) for batch in batches])
        similarity = torch.stack([sample.image_feature for sample in samples]) @ text_features.T
        best = similarity.topk(min(NUM_NEAREST, len(texts))).indices.tolist()
        nearest = [[texts[i] for i in row] for row in best]
    return [(sample.get('pred_caption'), near) for sample, near in zip(samples, nearest)]


def attend(model: CoCa, images: Tensor, predictions: Sequence[Prediction]) -> list[Attention]:
    """Attention of each generated caption's words over the patches of its image, (B,3,H,W)."""
    height, width = images.shape[-2:]
    captions = [prediction.generated for prediction in predictions]
    attentions = []
    for prediction, weights in zip(predictions, word_attention(model, images, captions)):
        words, weights = average_words(model.tokenizer, prediction.generated, weights)
        weights = weights[:, model.backbone.num_extra_tokens :]  # patches only
        rows = round((weights.shape[1] * height / width) ** 0.5)
        weights = weights.unflatten(1, (rows, -1)).cpu().numpy()
        attentions.append(Attention(prediction.image, words, weights))
    return attentions


def draw_report(cfg: Config, checkpoint: str, work_dir: Path, seed: int) -> dict[str, Figure]:
    """What can be drawn of 'curves', 'predictions' and 'attention'."""
    figures = {}
    curves = read_curves(work_dir)
    if curves:
        figures['curves'] = draw_curves(curves)
    model = build_model(cfg, checkpoint)
    init_default_scope('mmpretrain')
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    captions = [dataset.get_data_info(i).get('gt_caption') for i in range(len(dataset))]
    if None in captions:
        raise UserError(f'{cfg.filename}: the images of test_dataloader have no gt_caption')
    captions = [[texts] if isinstance(texts, str) else list(texts) for texts in captions]
    all_texts = sorted({text for texts in captions for text in texts})
    chosen = choose(len(dataset), NUM_PREDICTIONS, seed)
    batch = default_collate([dataset[i] for i in chosen])
    pictures = batch['inputs'].flip(1) if model.data_preprocessor.to_rgb else batch['inputs']
    images = model.data_preprocessor(batch)['images']
    outputs = predict(model, images, all_texts, cfg.test_dataloader.batch_size)
    predictions = [
        Prediction(picture, captions[i], *output)
        for picture, i, output in zip(pictures.permute(0, 2, 3, 1).numpy(), chosen, outputs)
    ]
    figures['predictions'] = draw_predictions(
        predictions,
        f'{len(chosen)} of {len(dataset):,} test images (evenly spread, seed {seed}); nearest: of '
        f'{len(all_texts):,} test captions; ✓ green: a true caption, brown: another',
    )
    captioned = [i for i, prediction in enumerate(predictions) if prediction.generated]
    if captioned:
        rows = [captioned[i] for i in choose(len(captioned), NUM_ATTENTIONS, seed)]
        figures['attention'] = draw_attentions(
            attend(model, images[rows], [predictions[i] for i in rows]),
            'Where the model looks when it writes each word of its caption: cross-attention times '
            "pooler attention, bright: much (one scale an image)",
        )
    return figures


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description='Draw curves.png, predictions.png and attention.png of a trained model.',
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
        action=DictAction,
        metavar='KEY=VALUE',
        help='override settings of the config, e.g. test_dataloader.dataset.data_root=DIR',
    )
    # What else load_config reads.
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0, no_pin_memory=True)
    return parser.parse_args()


def main() -> None:
    """Draw, and write what could be drawn."""
    args = parse_args()
    with user_errors():
        cfg = load_config(args)
        checkpoint = find_checkpoint(args.checkpoint)
        work_dir = Path(checkpoint).parent
        figures = draw_report(cfg, checkpoint, work_dir, args.seed)
        out = Path(args.out or work_dir)
        out.mkdir(parents=True, exist_ok=True)
        for name, figure in figures.items():
            figure.savefig(out / f'{name}.png', dpi=DPI)
            print(out / f'{name}.png')
        if 'curves' not in figures:
            print(f'no curves.png: {work_dir}/*/vis_data/scalars.json does not exist')


if __name__ == '__main__':
    main()

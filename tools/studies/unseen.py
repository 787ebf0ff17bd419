# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Evaluate a model of icons on drawings that it never saw, with and without colour.

These are of the designers that the icons' data hold out, and emoji. Checkpoints of several seeds
become means and ranges. Writes JSON and a table.
"""

import argparse
import copy
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from draw import cell
from mmengine.config import Config
from origin import origin

from mmcoca.command_line import build_testing, user_errors
from mmcoca.errors import MissingFileError
from mmcoca.weights import check_checkpoint, find_checkpoint

WITHOUT_COLOUR = dict(type='mmcoca.RandomColorMatrix', contrast=0, saturation=0, hue=0, grayscale=1)


class Drawings(NamedTuple):
    """Where a set's annotations are, below data/, and whether it is coloured."""

    annotations: str
    is_coloured: bool


# Every designer's drawings have one caption each, those of the emoji are one artist's.
TEST = {
    'Phosphor': Drawings('icons/annotations/test_ph.json', False),
    'Game-icons': Drawings('icons/annotations/test_game-icons.json', False),
    'Flat Color Icons': Drawings('icons/annotations/test_flat-color-icons.json', True),
    'emoji, test_artist': Drawings('emoji/annotations/test_artist.json', True),
    'emoji, test_concept': Drawings('emoji/annotations/test_concept.json', True),
}
DEV = {
    'Lucide': Drawings('icons/annotations/dev_lucide.json', False),
    'Marketeq': Drawings('icons/annotations/dev_marketeq.json', True),
}
METRICS = {
    'image to text R@1': 'i2t/retrieval/Recall@1',
    'R@5': 'i2t/retrieval/Recall@5',
    'text to image R@1': 't2i/retrieval/Recall@1',
    'R@5 ': 't2i/retrieval/Recall@5',
    'exact captions': 'caption/exact_match',
    'CIDEr': 'caption/CIDEr',
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: python tools/studies/unseen.py configs/coca/coca_tiny_icons.py '
        'work_dirs/coca_tiny_icons --out docs/studies/coca_tiny_icons.json',
    )
    parser.add_argument('config')
    parser.add_argument(
        'checkpoints', nargs='+', help="a file or work directory for each seed's model"
    )
    parser.add_argument('--dev', action='store_true', help='the designers to choose with instead')
    parser.add_argument('--data', type=Path, default=Path('data'), help='folder of icons and emoji')
    parser.add_argument('--out', type=Path, required=True, help='.json; the table beside it: .md')
    return parser.parse_args(argv)


def config_of(cfg: Config, path: Path, checkpoint: str, without_colour: bool) -> Config:
    """The config that tests a checkpoint on a set's annotations."""
    cfg = copy.deepcopy(cfg)
    dataset = cfg.test_dataloader.dataset
    dataset.data_root, dataset.ann_file = str(path.parents[1]), f'annotations/{path.name}'
    if without_colour:
        dataset.pipeline.insert(-1, WITHOUT_COLOUR)
    cfg.load_from = checkpoint
    cfg.launcher = 'none'
    return cfg


def evaluate(cfg: Config, path: Path, checkpoint: str, without_colour: bool) -> dict:
    """Metrics of a checkpoint on a set."""
    with tempfile.TemporaryDirectory() as folder:
        cfg = config_of(cfg, path, checkpoint, without_colour)
        cfg.work_dir = folder
        cfg.experiment_name = Path(folder).name  # MMEngine's logs are of one name each
        runner = build_testing(cfg)
        check_checkpoint(checkpoint, runner.model)
        return runner.test()


def num_texts(path: Path) -> int:
    """The different captions of a set, from which one is chosen."""
    content = json.loads(path.read_text(encoding='utf-8'))
    return len({annotation['caption'] for annotation in content['annotations']})


def measure(args: argparse.Namespace) -> dict:
    """All sets' metrics: {set: {texts, images, metrics: {key: [of each checkpoint]}}}."""
    cfg = Config.fromfile(args.config)
    checkpoints = [find_checkpoint(path) for path in args.checkpoints]
    results = {}
    for name, drawings in (DEV if args.dev else TEST).items():
        path = args.data.resolve() / drawings.annotations
        if not path.is_file():
            raise MissingFileError.of('annotation file', path)
        for without_colour in (False, True)[:1 + drawings.is_coloured]:
            runs = [evaluate(cfg, path, file, without_colour) for file in checkpoints]
            title = f'{name}, without colour' if without_colour else name
            metrics = {key: [run[key] for run in runs] for key in METRICS.values()}
            results[title] = dict(texts=num_texts(path), metrics=metrics)
            told = ', '.join(f'{k.strip()} {cell(metrics[v])}' for k, v in METRICS.items())
            print(f'{title}: {told}', flush=True)
    return results


def markdown(results: dict, config: str, num_checkpoints: int) -> str:
    """The table."""
    columns = ['', *(name.strip() for name in METRICS), 'texts']
    lines = [f"| {' | '.join(columns)} |", '|---' * len(columns) + '|']
    for name, of_set in results.items():
        cells = [cell(of_set['metrics'][key]) for key in METRICS.values()]
        lines.append(f"| {' | '.join([name, *cells, str(of_set['texts'])])} |")
    of_seeds = f', the mean of {num_checkpoints} seeds and their range'
    of_seeds = of_seeds if num_checkpoints > 1 else ''
    return f"""# {config} on drawings it never saw

In percent{of_seeds}; CIDEr as pycocoevalcap has it, times 100. Recall chooses from all different
captions of the set (texts): by chance one of as many is right.

""" + '\n'.join([*lines, '', origin()]) + '\n'


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate, and write."""
    args = parse_args(argv)
    with user_errors():
        results = measure(args)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        content = dict(config=args.config, checkpoints=len(args.checkpoints), sets=results)
        args.out.write_text(json.dumps(content, indent=1) + '\n')
        text = markdown(results, Path(args.config).stem, len(args.checkpoints))
        args.out.with_suffix('.md').write_text(text)
        print(f'wrote {args.out} and, beside it, the table')


if __name__ == '__main__':
    main()

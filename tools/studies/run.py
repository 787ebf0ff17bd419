# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Train and test every config of a study with several seeds; draw a table and a picture.

Every run's metrics are kept in --out's JSON: started again, also with other rows or seeds, or on
another machine, the program goes on from there. Several may work on one study at once.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from draw import markdown, picture
from filelock import FileLock
from mmengine.config import Config
from step_cost import step_costs
from studies import STUDIES, Study

from mmcoca.command_line import check_options, parse_option, positive, user_errors
from mmcoca.errors import UserError

REPOSITORY = Path(__file__).parents[2]
CONFIGS = REPOSITORY / 'configs' / 'coca'


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: python tools/studies/run.py --study families --seeds 0 1 2 --epochs 2',
    )
    parser.add_argument('--study', choices=list(STUDIES), required=True)
    parser.add_argument('--rows', nargs='+', metavar='ROW', help='of the table, instead of all')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--epochs', type=positive, help="instead of the configs' own")
    parser.add_argument('--rounds', type=positive, default=20, help='timed steps of each config')
    parser.add_argument('--work-dir', default='work_dirs/studies')
    parser.add_argument(
        '--out',
        default='work_dirs/studies',
        help='folder of JSON, table and picture (%(default)s)'
    )
    parser.add_argument('--only-draw', action='store_true', help="draw --out's JSON again")
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='override settings of all configs, in training and testing'
    )
    args = parser.parse_args(argv)
    names = STUDIES[args.study].rows
    if not set(args.rows or ()) <= set(names):
        parser.error(f"--rows {' '.join(args.rows)}: they are {', '.join(map(repr, names))}")
    return args


def run_tool(tool: str, *args: str | Path) -> None:
    """Run tools/train.py or test.py. Raises UserError with its last line if it fails."""
    command = [sys.executable, REPOSITORY / 'tools' / tool, *args]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f'exit status {done.returncode}']
        raise UserError(f"{tool}: {lines[-1].removeprefix('error: ')}")


def train_and_test(config: str, folder: Path, options: list[str], shared: list[str]) -> dict:
    """The metrics of a config after training."""
    out = folder / 'metrics.json'
    common = [CONFIGS / config, '--work-dir', folder, '--cfg-options', *shared]
    # The last checkpoint is all that testing needs.
    common += ['default_hooks.checkpoint.interval=-1']
    common += ['default_hooks.checkpoint.save_optimizer=False']
    run_tool('train.py', '--no-validate', *common, *options)
    run_tool('test.py', '--out', out, '--out-item', 'metrics', *common, '--', folder)
    return json.loads(out.read_text())


def run(study: Study, row: str, seed: int, folder: Path, args: argparse.Namespace) -> dict:
    """The metrics of a row of the table with one seed, its probe's with the prefix 'probe/'."""
    options = [f'randomness.seed={seed}']
    epochs = [f'train_cfg.max_epochs={args.epochs}'] if args.epochs else []
    metrics = train_and_test(study.rows[row].config, folder, options + epochs, args.cfg_options)
    if study.probe:
        checkpoint = (folder / 'last_checkpoint').read_text()
        options.append(f'model.backbone.init_cfg.checkpoint={checkpoint}')
        probe = train_and_test(study.probe, folder / 'probe', options, args.cfg_options)
        metrics |= {f'probe/{name}': value for name, value in probe.items()}
    return metrics


class Results:
    """What --out's JSON holds: settings, metrics of every run, costs of the steps.

    Raises UserError where the file holds runs with other settings.
    """

    def __init__(self, path: Path, settings: dict):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.lock():
            if not path.is_file():
                self.write(dict(settings, runs={}, step_costs={}))
        if not settings.items() <= self.read().items():
            raise UserError(f'{path} holds runs with other settings: take another --out')

    def lock(self) -> FileLock:
        """Within it, no other process changes them."""
        return FileLock(self.path.with_suffix('.lock'))

    def read(self) -> dict:
        """As they are now: another process may have added to them."""
        return json.loads(self.path.read_text())

    def write(self, results: dict) -> None:
        """Replace them at once."""
        part = self.path.with_suffix('.partial')
        part.write_text(json.dumps(results, indent=1) + '\n')
        part.replace(self.path)

    def add(self, change: Callable[[dict], object]) -> None:
        """Change them, one process at a time."""
        with self.lock():
            results = self.read()
            change(results)
            self.write(results)


def run_missing(study: Study, results: Results, args: argparse.Namespace) -> int:
    """Run what is not there yet, a line each -> the number of runs that failed."""
    rows = [row for row in study.rows if row in (args.rows or study.rows)]
    done = results.read()['runs']
    # Seed by seed, so that all rows are there early.
    runs = [(row, seed) for seed in args.seeds for row in rows]
    missing = [(row, seed) for row, seed in runs if str(seed) not in done.get(row, {})]
    start, failures = time.monotonic(), 0
    for number, (row, seed) in enumerate(missing, start=1):
        folder = Path(args.work_dir, args.study, Path(study.rows[row].config).stem, f'seed_{seed}')
        try:
            metrics = run(study, row, seed, folder, args)
            results.add(lambda kept: kept['runs'].setdefault(row, {}).update({str(seed): metrics}))
            values = {name: metrics[key] for name, key in study.metrics.items() if key in metrics}
            told = ', '.join(f'{name} {value:.1f}' for name, value in values.items())
        except UserError as error:
            failures += 1
            told = f'error: {error}'
        minutes = (time.monotonic() - start) / number * (len(missing) - number) / 60
        place = f'[{number}/{len(missing)}]'
        print(f'{place} {row}, seed {seed}: {told}; {minutes:.0f} min left', flush=True)
    return failures


def time_steps(study: Study, results: Results, args: argparse.Namespace) -> None:
    """Measure what a step of every row costs, side by side, once all rows have a run."""
    found = results.read()
    rows = [row for row in study.rows if row in found['runs']]
    if rows == list(study.rows) != list(found['step_costs']):
        print(f'timing {args.rounds} training steps of {len(rows)} configs', flush=True)
        configs = {row: Config.fromfile(CONFIGS / study.rows[row].config) for row in rows}
        for config in configs.values():
            config.merge_from_dict(dict(map(parse_option, args.cfg_options)))
        costs = step_costs(configs, args.rounds)
        results.add(lambda kept: kept.update(step_costs=costs))


def run_study(study: Study, path: Path, args: argparse.Namespace) -> int:
    """Run and time what is missing -> the number of runs that failed."""
    options = dict(map(parse_option, args.cfg_options))
    check_options(Config.fromfile(CONFIGS / next(iter(study.rows.values())).config), options)
    results = Results(path, dict(epochs=args.epochs, cfg_options=args.cfg_options))
    failures = run_missing(study, results, args)
    time_steps(study, results, args)
    return failures


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, then draw."""
    args = parse_args(argv)
    study = STUDIES[args.study]
    out = Path(args.out, f'{args.study}.json')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what it runs ends too
    with user_errors('interrupted; the same command goes on from here'):
        failures = 0 if args.only_draw else run_study(study, out, args)
        results = json.loads(out.read_text())
        out.with_suffix('.md').write_text(markdown(results, study))
        picture(results, study).savefig(out.with_suffix('.png'))
        print(f'wrote {out} and, beside it, the table and the picture')
        if failures:
            raise UserError(f'{failures} runs failed')


if __name__ == '__main__':
    main()

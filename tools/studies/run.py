# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Train and test every config of a study with several seeds; draw a table and a picture.

What is done is kept in the work directory: started again, the program goes on from there.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from draw import markdown, picture
from mmengine.config import Config
from step_cost import step_costs
from studies import STUDIES, Study

from mmcoca.command_line import check_options, parse_option, positive, user_errors
from mmcoca.errors import UserError

REPOSITORY = Path(__file__).parents[2]
CONFIGS = REPOSITORY / 'configs' / 'coca'
RESULT = 'result.json'  # of a complete run


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
    """The metrics of a config after training; from their file in the folder if there is one."""
    out = folder / 'metrics.json'
    if not out.is_file():
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
    (folder / RESULT).write_text(json.dumps(metrics))
    return metrics


def check_settings(work_dir: Path, args: argparse.Namespace) -> None:
    """Note the settings. Raises UserError where the directory holds runs with others."""
    path, settings = work_dir / 'settings.json', [args.epochs, args.cfg_options]
    if path.is_file() and json.loads(path.read_text()) != settings:
        raise UserError(f'{work_dir} holds runs with other settings: take another --work-dir')
    work_dir.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings))


def run_missing(study: Study, folders: dict[tuple, Path], args: argparse.Namespace) -> int:
    """Run what is not there yet, a line each -> the number of runs that failed."""
    missing = [key for key, folder in folders.items() if not (folder / RESULT).is_file()]
    start, failures = time.monotonic(), 0
    for number, (row, seed) in enumerate(missing, start=1):
        try:
            metrics = run(study, row, seed, folders[row, seed], args)
            values = {name: metrics[key] for name, key in study.metrics.items() if key in metrics}
            told = ', '.join(f'{name} {value:.1f}' for name, value in values.items())
        except UserError as error:
            failures += 1
            told = f'error: {error}'
        minutes = (time.monotonic() - start) / number * (len(missing) - number) / 60
        place = f'[{number}/{len(missing)}]'
        print(f'{place} {row}, seed {seed}: {told}; {minutes:.0f} min left', flush=True)
    return failures


def costs_of_steps(configs: dict[str, Path], out: Path, rounds: int) -> dict[str, dict[str, float]]:
    """What a step of each config costs as it was trained; from their file if it has them all."""
    costs = json.loads(out.read_text()) if out.is_file() else {}
    if list(costs) != list(configs):
        print(f'timing {rounds} training steps of {len(configs)} configs', flush=True)
        configs = {row: Config.fromfile(path) for row, path in configs.items()}
        costs = step_costs(configs, rounds)
        out.write_text(json.dumps(costs))
    return costs


def run_study(study: Study, args: argparse.Namespace) -> tuple[dict, int]:
    """Run what is missing -> all results, and the number of runs that failed."""
    work_dir = Path(args.work_dir, args.study)
    options = dict(map(parse_option, args.cfg_options))
    check_options(Config.fromfile(CONFIGS / next(iter(study.rows.values())).config), options)
    check_settings(work_dir, args)
    rows = [row for row in study.rows if row in (args.rows or study.rows)]
    # Seed by seed, so that all rows are there early.
    folders = {
        (row, seed): work_dir / Path(study.rows[row].config).stem / f'seed_{seed}'
        for seed in args.seeds
        for row in rows
    }
    failures = run_missing(study, folders, args)
    runs, configs = {row: [] for row in rows}, {}
    for (row, _), folder in folders.items():
        if (folder / RESULT).is_file():
            runs[row].append(json.loads((folder / RESULT).read_text()))
            configs[row] = folder / Path(study.rows[row].config).name  # train.py left it there
    costs = costs_of_steps(configs, work_dir / 'step_costs.json', args.rounds)
    return dict(epochs=args.epochs, seeds=args.seeds, runs=runs, step_costs=costs), failures


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, then draw."""
    args = parse_args(argv)
    study = STUDIES[args.study]
    out = Path(args.out, f'{args.study}.json')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what it runs ends too
    with user_errors('interrupted; the same command goes on from here'):
        failures = 0
        if not args.only_draw:
            results, failures = run_study(study, args)
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(results, indent=1) + '\n')
        results = json.loads(out.read_text())
        out.with_suffix('.md').write_text(markdown(results, study))
        picture(results, study).savefig(out.with_suffix('.png'))
        print(f'wrote {out} and, beside it, the table and the picture')
        if failures:
            raise UserError(f'{failures} runs failed')


if __name__ == '__main__':
    main()

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Kill a training at random moments, resume it, and compare it with one that ran through.

The training draws wherever one can (augmentation, patch dropout, stochastic depth, dropout), in
micro-batches, with averaged weights. A kill is SIGKILL, for the loading workers too, at a random
moment of starting, loading, computing or saving. Afterwards each checkpoint must be whole, and none
may be gone that was there but for those that newer ones have replaced.
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

from mmcoca.weights.reading import load_safely

TRAIN_TOOL = Path(__file__).parents[1] / 'train.py'
CONFIG = Path(__file__).parents[2] / 'configs' / 'coca' / 'coca_tiny_emoji.py'
SETTINGS = f"""
_base_ = '{CONFIG}'
custom_hooks = [dict(type='mmcoca.EMAHook', momentum=0.01)]
model = dict(
    micro_batch_size=16,
    backbone=dict(patch_dropout=0.25, drop_path_rate=0.2),
    text=dict(dropout=0.1),
)
train_dataloader = dict(batch_size=32, num_workers=1)
train_cfg = dict(_delete_=True, by_epoch=False, max_iters=STEPS)
log_processor = dict(by_epoch=False)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False)]
val_cfg = val_dataloader = val_evaluator = test_cfg = test_dataloader = test_evaluator = None
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=2, max_keep_ckpts=3))
"""


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: python tools/benchmarks/kills.py --kills 100 --work-dir /tmp/kills',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--kills', type=int, default=100, help='(default: %(default)s)')
    parser.add_argument('--steps', type=int, default=900, help='(default: %(default)s)')
    parser.add_argument(
        '--longest', type=float, default=18, help='seconds until a kill, at most (%(default)s)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the moments (%(default)s)')
    parser.add_argument('--work-dir', type=Path, help='folder (default: a temporary one)')
    return parser.parse_args()


def start(config: Path, folder: Path) -> subprocess.Popen:
    """Start or resume a training, its processes a group of their own."""
    command = [sys.executable, TRAIN_TOOL, config, '--work-dir', folder, '--resume']
    with open(folder.with_suffix('.log'), 'a') as log:
        return subprocess.Popen(
            list(map(str, command)), stdout=log, stderr=log, start_new_session=True
        )


def finish(process: subprocess.Popen, folder: Path) -> None:
    """Wait for the end of a training. Exits where it fails."""
    if process.wait():
        sys.exit(f'error: train.py failed, see {folder.with_suffix(".log")}')


def checkpoints(folder: Path) -> dict[int, Path]:
    """The checkpoints of a training by their step."""
    matches = (re.fullmatch(r'iter_(\d+)\.pth', path.name) for path in folder.glob('*.pth'))
    return {int(match[1]): folder / match[0] for match in filter(None, matches)}


def num_lost(before: dict[int, Path], folder: Path) -> int:
    """Checkpoints that are broken, or gone though fewer than three newer ones are there."""
    now = checkpoints(folder)
    lost = 0
    for step in before.keys() - now.keys():
        lost += sum(newer > step for newer in now) < 3
    for path in now.values():
        try:
            load_safely(str(path), 'cpu')
        except Exception as error:
            print(f'broken: {path}: {error}')
            lost += 1
    return lost


def losses_of(path: Path) -> dict[str, torch.Tensor]:
    """Each loss of each step, as the checkpoint has noted them."""
    scalars = load_safely(str(path), 'cpu')['message_hub']['log_scalars']
    return {name: torch.as_tensor(scalars[name].data[0]) for name in scalars if 'loss' in name}


def same_weights(one: Path, other: Path) -> bool:
    """Whether weights and their averages are equal to the bit."""
    states = [load_safely(str(path), 'cpu') for path in (one, other)]
    return all(
        torch.equal(value, states[1][kind][name])
        for kind in ('state_dict', 'ema_state_dict')
        for name, value in states[0][kind].items()
    )


def main() -> None:
    """Train through, train with kills, compare."""
    args = parse_args()
    root = args.work_dir or Path(tempfile.mkdtemp())
    root.mkdir(parents=True, exist_ok=True)
    config = root / 'config.py'
    config.write_text(SETTINGS.replace('STEPS', str(args.steps)))
    whole, killed = root / 'whole', root / 'killed'
    finish(start(config, whole), whole)
    moments = random.Random(args.seed)
    lost, resumed_at = 0, []
    for _ in track(range(args.kills), 'killing', console=Console(stderr=True)):
        before = checkpoints(killed)
        if args.steps in before:
            break  # before there were as many kills: more --steps
        process = start(config, killed)
        time.sleep(moments.uniform(0, args.longest))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        lost += num_lost(before, killed)
        resumed_at.append(max(checkpoints(killed), default=0))
    finish(start(config, killed), killed)
    last = f'iter_{args.steps}.pth'
    ours, theirs = losses_of(whole / last), losses_of(killed / last)
    different = sum(int((ours[name] != theirs[name]).sum()) for name in ours)
    compared = sum(len(values) for values in ours.values())
    print(
        f'{len(resumed_at)} kills, {len(set(resumed_at))} different places to resume from: '
        f'{lost} checkpoints lost, {different} of {compared} losses different, weights '
        f'{"equal" if same_weights(whole / last, killed / last) else "different"} to the bit'
    )


if __name__ == '__main__':
    main()

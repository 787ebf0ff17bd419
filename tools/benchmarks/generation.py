# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Captions a second: mmcoca beside open_clip_torch, the same weights, images and lengths.

Each library runs in a process of its own; while one works the other waits. After a warm-up they
take turns, and the table has medians. open_clip 3.3.0 needs an old transformers to generate: it is
installed with pip into a folder that only its process sees (--peer-packages).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

TRANSFORMERS = 'transformers==4.46.3'
CONFIGS = {
    'coca_ViT-B-32': 'open_clip_vit-b-p32.py',
    'coca_ViT-L-14': 'open_clip_vit-l-p14.py',
}
# Every caption has exactly `length` tokens: the end token is kept away until the last.
TASKS = {
    'beam search, 6 beams, 20 tokens, 4 images':
    dict(kind='beams', images=4, length=20),
    "the same in 3 groups, open_clip's default":
    dict(kind='beams', images=4, length=20, num_beam_groups=3),
    'top-50 sampling, 20 tokens, 16 images':
    dict(kind='sampling', images=16, length=20),
    'greedy, 20 tokens, 16 images':
    dict(kind='greedy', images=16, length=20),
}
LENGTHS = (10, 20, 30, 40, 50, 60, 70)


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: python tools/benchmarks/generation.py --repeats 5',
    )
    parser.add_argument('--architecture', choices=list(CONFIGS), default='coca_ViT-B-32')
    parser.add_argument('--repeats', type=int, default=5, help="runs of a task after its warm-up")
    parser.add_argument('--threads', type=int, default=2, help="of each library's torch")
    parser.add_argument(
        '--peer-packages',
        default=str(Path(tempfile.gettempdir()) / 'mmcoca_benchmark_packages'),
        help=f'folder for {TRANSFORMERS}, filled when it does not exist',
    )
    parser.add_argument('--out', help='JSON file for all measurements')
    parser.add_argument('--worker', choices=['mmcoca', 'open_clip'], help=argparse.SUPPRESS)
    parser.add_argument('--weights', help=argparse.SUPPRESS)
    return parser.parse_args()


def build_open_clip(args: argparse.Namespace) -> Callable[[dict], None]:
    """open_clip's model with the weights, as a function that runs a task."""
    import open_clip
    import torch

    model = open_clip.create_model(args.architecture)
    model.load_state_dict(torch.load(args.weights, weights_only=True))
    model.eval()
    images = torch.randn(16, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    options = dict(
        beams=dict(generation_type='beam_search', num_beams=6),
        sampling=dict(generation_type='top_k', top_k=50),
        greedy=dict(generation_type='top_k', top_k=1),
    )

    def run(task: dict) -> None:
        length = task['length']
        token_ids = model.generate(
            images[:task['images']],
            seq_len=length,
            min_seq_len=length - 1,
            num_beam_groups=task.get('num_beam_groups', 1),
            **options[task['kind']]
        )
        assert token_ids.shape == (task['images'], length)

    return run


def build_mmcoca(args: argparse.Namespace) -> Callable[[dict], None]:
    """Our model with the same weights, converted, as a function that runs a task."""
    import torch
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmpretrain.registry import MODELS

    from mmcoca.apis.open_clip_weights import from_open_clip

    configs = Path(__file__).parents[2] / 'configs' / 'coca'
    cfg = Config.fromfile(configs / CONFIGS[args.architecture])
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    model.load_state_dict(from_open_clip(torch.load(args.weights, weights_only=True)))
    model.eval()
    images = torch.randn(16, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    options = dict(
        beams=dict(num_beams=6),
        sampling=dict(do_sample=True, top_k=50),
        greedy=dict(),
    )

    @torch.no_grad()
    def run(task: dict) -> None:
        length = task['length']
        captions = model.generate_captions(
            images[:task['images']],
            max_length=length,
            min_length=length - 2,
            num_beam_groups=task.get('num_beam_groups', 1),
            **options[task['kind']]
        )
        assert all(len(of_image[0].token_ids) == length - 1 for of_image in captions)

    return run


def work(args: argparse.Namespace) -> None:
    """Run the tasks that come in as lines of JSON; answer each with its seconds."""
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    answers = os.fdopen(os.dup(1), 'w')  # what libraries print must not come between
    os.dup2(2, 1)
    run = (build_mmcoca if args.worker == 'mmcoca' else build_open_clip)(args)
    print('ready', file=answers, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        run(json.loads(line))
        print(time.perf_counter() - start, file=answers, flush=True)


class Worker:
    """A library in a process of its own."""

    def __init__(self, name: str, args: argparse.Namespace, weights: str) -> None:
        environment = dict(os.environ, OMP_NUM_THREADS=str(args.threads))
        if name == 'open_clip':
            paths = [args.peer_packages, environment.get('PYTHONPATH', '')]
            environment['PYTHONPATH'] = os.pathsep.join(filter(None, paths))
        command = [sys.executable, '-W', 'ignore', __file__, '--worker', name, '--weights', weights]
        command += ['--architecture', args.architecture, '--threads', str(args.threads)]
        self.name = name
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment
        )
        self.read()

    def read(self) -> str:
        """The next answer; ends the program with the worker's last words if it has died."""
        line = self.process.stdout.readline()
        if not line:
            words = self.process.stderr.read().strip().splitlines()
            sys.exit(f'error: {self.name} stopped: {words[-1] if words else "no message"}')
        return line

    def seconds(self, task: dict) -> float:
        """Run a task."""
        print(json.dumps(task), file=self.process.stdin, flush=True)
        return float(self.read())


def prepare(args: argparse.Namespace, folder: str) -> str:
    """Install the peer's packages where they are missing, and write random weights for both."""
    import open_clip
    import torch

    if not Path(args.peer_packages, 'transformers').is_dir():
        print(f'installing {TRANSFORMERS} into {args.peer_packages}', file=sys.stderr)
        command = [sys.executable, '-m', 'pip', 'install', '-q', '--target', args.peer_packages]
        done = subprocess.run([*command, TRANSFORMERS], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f'error: {TRANSFORMERS} cannot be installed: {done.stderr.strip()}')
    torch.manual_seed(0)
    model = open_clip.create_model(args.architecture)
    torch.nn.init.normal_(
        model.text_decoder.text_projection, std=0.04
    )  # left as it is by open_clip
    path = str(Path(folder) / 'weights.pt')
    torch.save(model.state_dict(), path)
    return path


def main() -> None:
    """Measure, and print tables in Markdown."""
    args = parse_args()
    if args.worker:
        work(args)
        return
    measured: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        weights = prepare(args, folder)
        ours, theirs = (Worker(name, args, weights) for name in ('mmcoca', 'open_clip'))
        print('| task | mmcoca, s | open_clip, s | times as fast |\n|---|---|---|---|', flush=True)
        for title, task in TASKS.items():
            for worker in (ours, theirs):
                worker.seconds(task)
            rounds = [(ours.seconds(task), theirs.seconds(task)) for _ in range(args.repeats)]
            our_times, their_times = map(list, zip(*rounds))
            measured[title] = dict(mmcoca=our_times, open_clip=their_times)
            a, b = median(our_times), median(their_times)
            print(f'| {title} | {a:.2f} | {b:.2f} | {b / a:.1f} |', flush=True)
        print('\n| greedy, 16 images, tokens | ms a token and image, mmcoca | open_clip |')
        print('|---|---|---|', flush=True)
        for length in LENGTHS:
            task = dict(kind='greedy', images=16, length=length)
            row = []
            for worker, repeats in ((ours, args.repeats), (theirs, 1)):
                times = [worker.seconds(task) for _ in range(repeats)]
                measured.setdefault(f'greedy {length}', {})[worker.name] = times
                row.append(f'{1000 * median(times) / 16 / (length - 1):.1f}')
            print(f'| {length} | {" | ".join(row)} |', flush=True)
    if args.out:
        Path(args.out).write_text(json.dumps(measured, indent=1))


if __name__ == '__main__':
    main()

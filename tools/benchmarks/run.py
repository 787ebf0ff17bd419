# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Measure mmcoca beside open_clip, CoCa-pytorch and mmpretrain.

Each library runs in a process of its own, with the same torch, threads, images and captions; while
one works the others wait. mmcoca has open_clip's architecture and, where results can be compared,
its weights. The peers are installed into an environment that the first run makes (--peers). Writes
a JSON file of each section, tables.md of all that are in the folder, and ratios.png.

Sections:
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from captions import ANNOTATIONS
from picture import draw, is_compared
from report import Section, Settings, cells, describe, read_section, tables, write_section

from mmcoca.process_settings import keep_freed_memory

SECTIONS = {
    'training': 'Training steps, memory and encoding',
    'peak': "Training steps beside the machine's matrix products",
    'losses': 'Both losses beside one',
    'bfloat16': 'Training steps in bfloat16 beside float32',
    'growth': 'How a step grows',
    'checkpointing': 'Activations computed again',
    'micro_batches': 'Large batches in micro-batches',
    'compiled': 'Compiled training steps',
    'device': 'Training at the largest batch',
    'generation': 'Generating captions',
    'recall': 'Recall@1, 5 and 10',
    'loading': 'Loading images',
    'shards': 'Images from shards',
    'search': 'Search among all icons',
    'exported': 'Without PyTorch',
    'time_to_recall': 'Time to a recall, one training each',
}


def positive(text: str) -> int:
    """A positive integer of the command line."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    width = max(map(len, SECTIONS))
    parser = argparse.ArgumentParser(
        description=__doc__ + '\n'.join(f'  {n:{width}}  {t}' for n, t in SECTIONS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: python tools/benchmarks/run.py --only recall --rounds 3 --out /tmp/bench',
    )
    parser.add_argument('--only', nargs='+', choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument(
        '--rounds', type=positive, default=5, help='after two to warm up (default: %(default)s)'
    )
    parser.add_argument('--threads', type=positive, default=os.cpu_count(), help='of torch')
    parser.add_argument('--batch-size', type=positive, default=16, help='pairs')
    parser.add_argument(
        '--peers',
        type=Path,
        default=Path(tempfile.gettempdir(), 'mmcoca_peers'),
        help='folder of the environment of the peers (default: %(default)s)',
    )
    parser.add_argument(
        '--out', type=Path, default=Path('docs/benchmarks'), help='folder (default: %(default)s)'
    )
    return parser.parse_args(argv)


def measure_section(name: str, args: argparse.Namespace) -> None:
    """Measure, print and write one section."""
    settings = Settings(args.peers, args.rounds, args.threads, args.batch_size)
    rows = []
    print(f'\n{SECTIONS[name]}', flush=True)
    for row in import_module(name).measure(settings):
        rows.append(row)
        print('  ' + ' | '.join(cells(row)), flush=True)
    if rows:
        write_section(args.out, name, Section(SECTIONS[name], describe(settings), rows))


def in_own_process(name: str, args: argparse.Namespace) -> None:
    """Measure one of several sections: the next gets back the memory that this one's models keep.
    """
    command = [sys.executable, __file__, '--only', name]
    for option in ('rounds', 'threads', 'batch_size', 'peers', 'out'):
        command += [f'--{option.replace("_", "-")}', str(getattr(args, option))]
    status = subprocess.run(command).returncode
    if status:
        sys.exit(status)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure the sections, one after the other."""
    args = parse_args(argv)
    if not ANNOTATIONS.is_file():
        sys.exit(f'error: {ANNOTATIONS} is missing: tools/dataset_converters/emoji.py makes it')
    for name in args.only:
        if len(args.only) == 1:
            measure_section(name, args)
        else:
            in_own_process(name, args)
    sections = {name: read_section(args.out, name) for name in SECTIONS}
    sections = {name: section for name, section in sections.items() if section is not None}
    if sections:
        (args.out / 'tables.md').write_text(tables(list(sections.values())))
        if any(is_compared(row) for section in sections.values() for row in section.rows):
            draw(sections).savefig(args.out / 'ratios.png')


if __name__ == '__main__':
    keep_freed_memory()
    main()

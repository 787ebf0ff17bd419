# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""List what is wrong with tar shards: broken tars, samples without caption, broken images.

Exits with 1 where anything is. Reads each sample as training would, and makes the index that it
needs.
"""

import argparse
import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial

from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.progress import track

from mmcoca.command_line import parse_option, positive, user_errors
from mmcoca.datasets.shards import CACHE, check_shard, expand


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example: python tools/dataset_converters/check_shards.py 'data/icons/train/*.tar'",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('shards', nargs='+', help='paths, folders, URLs, with braces and wildcards')
    parser.add_argument(
        '--caption-key',
        nargs='+',
        default=[],
        metavar='KEY[=WEIGHT]',
        help='of the .json, or txt for the .txt files (caption, else txt)',
    )
    parser.add_argument('--cache-dir', default=CACHE, help='for remote shards (%(default)s)')
    parser.add_argument(
        '--workers', type=positive, default=os.cpu_count(), help='processes (%(default)s)'
    )
    return parser.parse_args(argv)


def caption_key(options: Sequence[str]) -> str | dict[str, float] | None:
    """The setting of ImageTextShards."""
    if not options:
        return None
    if len(options) == 1 and '=' not in options[0]:
        return options[0]
    pairs = [parse_option(option if '=' in option else f'{option}=1') for option in options]
    return dict(pairs)


def be_quiet() -> None:
    """Set up a process: Ctrl-C is for its parent, and what each data set says not asked for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    MMLogger.get_current_instance().setLevel('ERROR')
    init_default_scope('mmpretrain')


def main(argv: Sequence[str] | None = None) -> int:
    """Check, list, count."""
    args = parse_args(argv)
    with user_errors():
        key = caption_key(args.caption_key)
        shards = expand(args.shards)
        check = partial(check_shard, caption_key=key, cache_dir=args.cache_dir)
        counts, num_samples, keys = Counter(), 0, set()
        with multiprocessing.Pool(min(args.workers, len(shards)), be_quiet) as pool:
            results = pool.imap(check, shards)
            bar = track(results, 'checking', total=len(shards), console=Console(stderr=True))
            for checked in bar:
                num_samples += checked.num_samples
                keys |= checked.keys
                for kind, place in checked.faults:
                    counts[kind] += 1
                    print(f'{kind}: {place}')
        for missing in sorted(set(key) - keys if isinstance(key, dict) else ()):
            counts['unused caption key'] += 1
            print(f'unused caption key: no sample has {missing!r}')
    kinds = ', '.join(f'{count} {kind}' for kind, count in counts.items()) or 'nothing is wrong'
    print(f'{num_samples} samples in {len(shards)} shards: {kinds}')
    return 1 if counts else 0


if __name__ == '__main__':
    sys.exit(main())

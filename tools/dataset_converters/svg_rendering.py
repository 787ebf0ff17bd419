# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Drawings as pixels, many at a time."""

import io
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence

try:
    import resvg_py
    from PIL import Image
    from rich.console import Console
    from rich.progress import track
except ImportError as error:
    raise SystemExit(
        f'error: {error}; install what this script needs with pip install "mmcoca[icons]" '
        'or pip install resvg-py pillow rich'
    ) from None

MAX_WORKERS = 8


def render_svg(svg: str, size: int) -> Image.Image:
    """An SVG with a square view box -> an image of (size, size) pixels, on white.

    Raises ValueError for what is no SVG.
    """
    png = resvg_py.svg_to_bytes(
        svg_string=svg, width=size, height=size, background='white', skip_system_fonts=True
    )
    return Image.open(io.BytesIO(png))


def ignore_interrupt() -> None:
    """Leave Ctrl-C to the parent process, which ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def in_parallel(function: Callable, jobs: Sequence, text: str, chunk: int = 16) -> list:
    """The results of a function for each job, under a progress bar."""
    num_workers = min(MAX_WORKERS, os.cpu_count() or 1)
    with multiprocessing.Pool(num_workers, initializer=ignore_interrupt) as pool:
        done = pool.imap(function, jobs, chunksize=chunk)
        return list(track(done, text, total=len(jobs), console=Console(stderr=True)))

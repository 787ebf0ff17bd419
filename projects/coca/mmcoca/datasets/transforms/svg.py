# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""SVG drawings as images, by resvg in a process that can be ended and can open nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from multiprocessing import Pipe
from pathlib import Path

import cv2
import numpy as np

PROGRAM = Path(__file__).with_name('svg_process.py')
MAX_BYTES = 2**24
MAX_SECONDS = 4  # of processor time, so that other work on the machine does not count
MAX_MEMORY = 2**30
# What may stand before the root, and the root; in a way that needs no second try of anything.
SVG_START = re.compile(
    rb'''(\xef\xbb\xbf)?\s*
    (
        (
            <\?[^?]*(\?(?!>)[^?]*)*\?>
            | <!--[^-]*(-(?!->)[^-]*)*-->
            | <!DOCTYPE[^>\[]*(\[[^\]]*\]\s*)?>
        )
        \s*
    )*
    <([\w.-]+:)?svg[\s/>]''',
    re.VERBOSE,
)
MAX_START = 2**16


def is_svg(data: bytes) -> bool:
    """Whether the content of a file is an SVG drawing, whatever the file's name."""
    return SVG_START.match(data, 0, MAX_START) is not None


def svg_problem() -> str | None:
    """Why SVG cannot be drawn here, or None."""
    if os.name != 'posix':
        return 'SVG is drawn on POSIX systems only, which can limit the process that does'
    if find_spec('resvg_py') is None:
        return 'SVG is drawn by resvg-py: pip install "mmcoca[icons]"'
    return None


def draw_svg(data: bytes, size: int, background: Sequence[int]) -> np.ndarray:
    """The content of an SVG file -> (height,width,3), uint8, BGR, `size` pixels on the longer side.

    Its shape is the drawing's own, by width and height or else by viewBox. `currentColor` is black.
    Text is not drawn, since its fonts differ from machine to machine. Pictures within the file are.
    No file and no address is opened: a drawing that shows one is refused.

    Args:
        background: Red, green and blue, 0..255.

    Raises ValueError with the reason, also for more than MAX_BYTES, MAX_SECONDS or MAX_MEMORY.
    """
    problem = svg_problem()
    if problem:
        raise ValueError(problem)
    if len(data) > MAX_BYTES:
        raise ValueError(f'{len(data):,} bytes of SVG are more than {MAX_BYTES:,}')
    answer = painter().draw(data, size, bytes(background).hex())
    if not answer.startswith(b'\x89PNG'):
        raise ValueError(answer.decode())
    return cv2.imdecode(np.frombuffer(answer, np.uint8), cv2.IMREAD_COLOR)


class Painter:
    """A running svg_process.py, for one drawing after the other of one thread."""

    def __init__(self) -> None:
        self.connection, end = Pipe()
        limits = map(str, (MAX_SECONDS, MAX_MEMORY))
        self.process = subprocess.Popen(
            [sys.executable, PROGRAM, *limits], stdin=end.fileno(), stdout=subprocess.DEVNULL
        )
        end.close()
        self.owner = os.getpid()

    def is_usable(self) -> bool:
        """Whether it runs, and is not that of a process from which this one was forked."""
        return self.owner == os.getpid() and self.process.poll() is None

    def draw(self, data: bytes, size: int, background: str) -> bytes:
        """The PNG, or a reason. Raises ValueError if the process ends over it."""
        try:
            self.connection.send_bytes(f'{size} #{background}'.encode())
            self.connection.send_bytes(data)
            return self.connection.recv_bytes()
        except BaseException as error:
            # Ctrl-C too: the next drawing would get the answer to this one.
            self.process.kill()
            status = self.process.wait()
            if isinstance(error, (EOFError, OSError)):
                raise ValueError(end_reason(status)) from None
            raise


def end_reason(status: int) -> str:
    """Why a process ended that had a drawing to do."""
    if status == -signal.SIGPROF:
        return f'it takes more than {MAX_SECONDS} seconds to draw'
    if status < 0:
        return f'it takes more than {MAX_MEMORY >> 20} MiB to draw, or resvg cannot draw it'
    return f'{PROGRAM.name} does not start'


_painters = threading.local()


def painter() -> Painter:
    """This thread's painter, a new one if there is none that is usable."""
    mine = getattr(_painters, 'mine', None)
    if mine is None or not mine.is_usable():
        mine = _painters.mine = Painter()
    return mine

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The side of the command: a library in a process of its own, which waits while another works."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sizes import Size

WARMUP_ROUNDS = 2  # until what a round frees is what the next allocates


def with_threads(threads: int) -> dict[str, str]:
    """The environment of a process whose torch has so many threads."""
    return dict(os.environ, OMP_NUM_THREADS=str(threads))


class Worker:
    """worker.py with a library, used as a context.

    Args:
        python: That of its environment.
        name: The library. threads: Of its torch.
    """

    def __init__(self, python: str | Path, name: str, size: Size, threads: int) -> None:
        self.name = name
        self.errors = tempfile.TemporaryFile('w+')  # a pipe that nobody reads would fill up
        program = Path(__file__).with_name('worker.py')
        self.process = subprocess.Popen(
            [python, '-W', 'ignore', program, name,
             json.dumps(size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=with_threads(threads),
        )
        self._read()

    def __enter__(self) -> 'Worker':
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.communicate()
        self.errors.close()

    def ask(self, work: str, **options) -> Any:
        """Have it done. Ends the program with the worker's last words if it has died."""
        with suppress(BrokenPipeError):  # it has died: _read says so
            print(json.dumps(dict(options, work=work)), file=self.process.stdin, flush=True)
        return self._read()

    def _read(self) -> Any:
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            words = self.errors.read().strip().splitlines() or ['without a message']
            if self.process.wait() == -signal.SIGKILL:
                words = ['killed, as happens when the memory is too small']
            sys.exit(f'error: {self.name} stopped: {words[-1]}')
        return json.loads(line)


def take_turns(workers: Mapping[str, Worker], rounds: int, work: str,
               **options) -> dict[str, list[float]]:
    """What each answers in each round, after those to warm up."""
    values = {name: [] for name in workers}
    for _ in range(WARMUP_ROUNDS + rounds):
        for name, worker in workers.items():
            values[name].append(worker.ask(work, **options))
    return {name: of_rounds[WARMUP_ROUNDS:] for name, of_rounds in values.items()}

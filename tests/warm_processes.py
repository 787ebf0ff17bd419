# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Processes of their own without the seconds of their imports: forks of a server that has them.

Its process is started by the first of them; it has no threads and no state of the tests.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import runpy
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist

CONTEXT = multiprocessing.get_context('forkserver')
CONTEXT.set_forkserver_preload(['mmcoca.command_line'])


def run_on_ranks(function: Callable, processes: int, *args: object) -> list:
    """Call function(rank, *args) in processes of one Gloo group -> what each returned.

    Raises what one of them raised.
    """
    with TemporaryDirectory() as folder:
        Path(folder, 'call').write_bytes(pickle.dumps((function, args)))
        start = dict(nprocs=processes, start_method='forkserver')
        torch.multiprocessing.start_processes(_call_on_rank, (processes, folder), **start)
        files = [Path(folder, str(rank)) for rank in range(processes)]
        return [pickle.loads(file.read_bytes()) for file in files]


def _call_on_rank(rank: int, processes: int, folder: str) -> None:
    function, args = pickle.loads(Path(folder, 'call').read_bytes())
    torch.set_num_threads(1)
    store = f'file://{folder}/store'
    dist.init_process_group('gloo', store, rank=rank, world_size=processes)
    Path(folder, str(rank)).write_bytes(pickle.dumps(function(rank, *args)))
    dist.destroy_process_group()


class WarmProcess:
    """A Python program that has been started, as by subprocess.Popen with a text's streams."""

    def __init__(
        self, program: Path, *args: object, cwd: Path, env: Mapping[str, str] | None = None
    ):
        self.args = [str(program), *map(str, args)]
        self._streams = TemporaryDirectory()
        self._files = [Path(self._streams.name, name) for name in ('stdout', 'stderr')]
        for file in self._files:
            file.touch()
        environment = dict(os.environ if env is None else env)
        self._process = CONTEXT.Process(
            target=_run, args=(self.args, str(cwd), environment, self._files)
        )
        self._process.start()

    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.is_alive()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def wait(self) -> CompletedProcess:
        """Its exit status (-N after signal N), stdout and stderr, once it has ended."""
        self._process.join()
        out, err = (file.read_text() for file in self._files)
        self._streams.cleanup()
        return CompletedProcess(self.args, self._process.exitcode, out, err)


def _run(args: Sequence[str], cwd: str, env: Mapping[str, str], files: Sequence[Path]) -> None:
    """Become the program."""
    for descriptor, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY), descriptor)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    torch.set_num_threads(int(env.get('OMP_NUM_THREADS', torch.get_num_threads())))
    sys.argv = list(args)
    paths = env.get('PYTHONPATH', '').split(os.pathsep)
    sys.path[:0] = [os.path.dirname(args[0]), *filter(None, paths)]
    runpy.run_path(args[0], run_name='__main__')


def run_warm(
    program: Path,
    *args: object,
    cwd: Path,
    env: Mapping[str, str] | None = None
) -> CompletedProcess:
    """Run a Python program to its end -> exit status, stdout and stderr."""
    return WarmProcess(program, *args, cwd=cwd, env=env).wait()

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Run a tool in this process: as its program, without the five seconds of its imports."""

from __future__ import annotations

import gc
import io
import os
import random
import signal
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from subprocess import CompletedProcess
from types import ModuleType
from unittest.mock import patch

import numpy as np
import torch
from mmengine.logging import MMLogger
from mmengine.utils import ManagerMixin

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# With a value of the user's, tools leave the C library as it is: here glibc's own.
MALLOC = dict(MALLOC_MMAP_MAX_='65536', MALLOC_TRIM_THRESHOLD_='131072')


def load_module(path: Path) -> ModuleType:
    """A Python file as a module of its own, loaded anew."""
    spec = spec_from_file_location(path.stem, path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_in_process(tool: Path, *args: object, cwd: Path) -> CompletedProcess:
    """Call the `main` of a tool -> exit status, stdout and stderr, as of its program.

    For what needs no process of its own, nor its streams, signals and imports.
    """
    argv = list(map(str, args))
    out, err = io.StringIO(), io.StringIO()
    with undone(), redirect_stdout(out), redirect_stderr(err), patch.dict(os.environ, MALLOC):
        os.chdir(cwd)
        sys.argv = [str(tool), *argv]
        sys.path.insert(0, str(tool.parent))
        status = exit_status(lambda: load_module(tool).main(argv))
    return CompletedProcess([str(tool), *argv], status, out.getvalue(), err.getvalue())


def exit_status(main: Callable[[], int | None]) -> int:
    """What the interpreter would exit with, having printed why."""
    try:
        code = main()
    except SystemExit as exit:
        code = exit.code
    except Exception:
        traceback.print_exc()
        return 1
    if code is None or isinstance(code, int):
        return code or 0
    print(code, file=sys.stderr)
    return 1


@contextmanager
def undone() -> Iterator[None]:
    """A context after which this process is as before."""
    cwd, argv, path, modules = os.getcwd(), sys.argv, list(sys.path), set(sys.modules)
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    threads, handlers = torch.get_num_threads(), [signal.getsignal(number) for number in SIGNALS]
    cudnn = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
    with patch.dict(os.environ), fresh_managers():
        try:
            yield
        finally:
            os.chdir(cwd)
            # Modules beside the tool have names that others have, too.
            tools = {p for p in sys.path if p not in path}
            sys.argv, sys.path[:] = argv, path
            for name in set(sys.modules) - modules:
                file = getattr(sys.modules[name], '__file__', None)
                if file and str(Path(file).parent) in tools:
                    del sys.modules[name]
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.set_rng_state(states[2])
            torch.set_num_threads(threads)
            torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = cudnn
            for number, handler in zip(SIGNALS, handlers):
                signal.signal(number, handler)
    gc.collect()  # a runner is a circle, and may hold a large model and workers


@contextmanager
def fresh_managers() -> Iterator[None]:
    """MMEngine's global instances as in a new process: logger, visualizer, default scope, ...

    It finds them by the name of the experiment, which two runs within a second share.
    """
    before = {manager: manager._instance_dict for manager in managers()}
    for manager in before:
        manager._instance_dict = OrderedDict()
    try:
        yield
    finally:
        for logger in MMLogger._instance_dict.values():
            for handler in logger.handlers:
                handler.close()
        for manager in managers():
            manager._instance_dict = before.get(manager, OrderedDict())


def managers(of: type = ManagerMixin) -> Iterator[type]:
    """All classes that keep global instances."""
    for manager in of.__subclasses__():
        yield manager
        yield from managers(manager)

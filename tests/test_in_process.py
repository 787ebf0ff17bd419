# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A tool in the tests' own process, or in a warm one, does what its program does.

In their own it leaves nothing behind.
"""

import os
import random
import signal
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest
import torch
from in_process import run_in_process
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from warm_processes import run_warm

PROGRAM = """
import argparse
import sys

from neighbour import NAME


def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument('--number', type=int)
    args = parser.parse_args(argv)
    print(args.number, NAME, __file__)
    print('an error', file=sys.stderr)
    {}


if __name__ == '__main__':
    sys.exit(main())
"""


@pytest.mark.parametrize(
    'ending, args',
    [
        ('pass', []),
        ('return 3', ['--number', 7]),
        ('sys.exit()', []),
        ('sys.exit(4)', []),
        ("sys.exit('error: of the user')", []),
        ("raise ValueError('of the program')", []),
        ('pass', ['--number', 'seven']),
        ('pass', ['--help']),
    ],
)
def test_it_ends_as_its_program(ending, args, tmp_path):
    (tmp_path / 'neighbour.py').write_text('NAME = "neighbour"')
    tool = tmp_path / 'tool.py'
    tool.write_text(PROGRAM.format(ending))
    command = list(map(str, [sys.executable, tool, *args]))
    expected = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    for run in (run_in_process, run_warm):
        done = run(tool, *args, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (expected.returncode, expected.stdout)
        # The frames of a traceback differ.
        first = -1 if 'Traceback' in expected.stderr else 0
        assert done.stderr.splitlines()[first:] == expected.stderr.splitlines()[first:]
    assert 'neighbour' not in sys.modules and str(tmp_path) not in sys.path


CHANGES = """
import os
import random
import signal
import sys

import numpy as np
import torch
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope


def main(argv=None):
    assert not MMLogger.check_instance_created('ours')
    MMLogger.get_instance('ours').info('to the stdout of now')
    DefaultScope.get_instance('theirs', scope_name='somewhere')
    signal.signal(signal.SIGTERM, lambda *_: None)
    os.chdir('/')
    os.environ['LOCAL_RANK'] = '5'
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    torch.set_num_threads(torch.get_num_threads() + 1)
    sys.argv = []
"""


def state():
    """What tools change."""
    return (
        os.getcwd(),
        dict(os.environ),
        list(sys.argv),
        list(sys.path),
        signal.getsignal(signal.SIGTERM),
        torch.get_num_threads(),
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),
        random.getstate(),
        list(DefaultScope._instance_dict),
    )


def test_it_leaves_nothing_behind(tmp_path, monkeypatch):
    tool = tmp_path / 'tool.py'
    tool.write_text(CHANGES)
    monkeypatch.setattr(MMLogger, '_instance_dict', OrderedDict())
    ours = MMLogger.get_instance('ours')
    for generator in (torch.manual_seed, np.random.seed, random.seed):
        generator(1)
    before = state()
    for _ in range(2):
        done = run_in_process(tool, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count('to the stdout of now') == 1
    assert state() == before and MMLogger.get_instance('ours') is ours

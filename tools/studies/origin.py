# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Where a table comes from, to stand below it."""

import datetime
import shlex
import sys
from pathlib import Path

import torch


def origin() -> str:
    """This program's command line, the day, and PyTorch's version, as a sentence in Markdown."""
    program = Path(sys.argv[0]).name
    command = shlex.join(['python', f'tools/studies/{program}', *sys.argv[1:]])
    return f'By `{command}` on {datetime.date.today()}, torch {torch.__version__}.'

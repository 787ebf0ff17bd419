# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Data that many tests share."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope='session')
def emoji_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the complete default data, made by the converter where the user has none."""
    data = REPOSITORY / 'data' / 'emoji'
    if (data / 'manifest.json').is_file():  # written last: the set is complete
        return data
    if shutil.which('npm') is None:
        pytest.skip('npm is not installed and data/emoji does not exist')
    data = tmp_path_factory.mktemp('data') / 'emoji'
    converter = REPOSITORY / 'tools' / 'dataset_converters' / 'emoji.py'
    done = subprocess.run(
        [sys.executable, converter, '--out', data], capture_output=True, text=True
    )
    if 'npm failed' in done.stderr:
        pytest.skip(f'data/emoji does not exist and {done.stderr.strip()}')
    assert done.returncode == 0, done.stderr
    return data

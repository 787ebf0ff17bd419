# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Data that the tests of tasks share."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, emoji_data: Path) -> Path:
    """An empty folder but for the vocabulary of the small models."""
    shutil.copy(emoji_data / 'tokenizer.json', tmp_path)
    return tmp_path

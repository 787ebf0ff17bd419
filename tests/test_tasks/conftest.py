# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Data that the tests of tasks share."""

import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, emoji_data: Path) -> Path:
    """An empty folder but for the vocabulary of the small models."""
    shutil.copy(emoji_data / 'tokenizer.json', tmp_path)
    return tmp_path


@pytest.fixture(scope='session')
def drawings(emoji_data: Path) -> list[tuple[Path, str]]:
    """32 drawings of one artist, and what is on them, a word each, all different."""
    annotations = json.loads((emoji_data / 'annotations' / 'test_artist.json').read_text('utf-8'))
    names = {image['id']: image['file_name'] for image in annotations['images']}
    captions: dict[str, Path] = {}
    for pair in annotations['annotations']:
        if pair['caption'].isalpha():
            captions.setdefault(pair['caption'], emoji_data / 'images' / names[pair['image_id']])
    return [(path, caption) for caption, path in list(captions.items())[:32]]

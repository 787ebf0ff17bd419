# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Files that come with the package, as mmcoca://MODEL/FILE wherever a path is expected.

These are the weights and the tokenizer of each shipped model; MODEL alone stands for its weights.
"""

from __future__ import annotations

import os
from pathlib import Path

from mmcoca.errors import MissingFileError

SCHEME = 'mmcoca://'
FOLDER = Path(__file__).parent / 'shipped'
WEIGHTS = 'model.safetensors'


def local_path(path: str | os.PathLike) -> str:
    """mmcoca://MODEL/FILE, or MODEL -> where the file lies; any other path or address as it is.

    Raises MissingFileError for a file that the package does not have.
    """
    path = os.fspath(path)
    if path in shipped_models() and not os.path.exists(path):
        path = f'{SCHEME}{path}/{WEIGHTS}'
    if not path.startswith(SCHEME):
        return path
    known = {f'{SCHEME}{file.relative_to(FOLDER).as_posix()}': file for file in FOLDER.glob('*/*')}
    if path not in known:
        raise MissingFileError(f'{path} does not come with mmcoca, which has: {", ".join(known)}')
    return str(known[path])


def shipped_models() -> list[str]:
    """The names of the models whose weights come with the package."""
    return sorted(weights.parent.name for weights in FOLDER.glob(f'*/{WEIGHTS}'))


def shipped_weights(name: str) -> str:
    """Where the weights of such a model lie. Raises MissingFileError for another name."""
    return local_path(f'{SCHEME}{name}/{WEIGHTS}')

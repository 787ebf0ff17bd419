# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Data that many tests share."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

from mmcoca.models import CoCa

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope='session')
def repository() -> Path:
    """The root of the repository."""
    return REPOSITORY


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
    assert done.returncode == 0, done.stderr
    return data


@pytest.fixture(scope='session')
def tiny_config(emoji_data: Path) -> Config:
    """The tiny model's config over the default data, wherever that lies."""
    cfg = Config.fromfile(REPOSITORY / 'configs' / 'coca' / 'coca_tiny_emoji.py')
    cfg.model.tokenizer.vocab_file = str(emoji_data / 'tokenizer.json')
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = str(emoji_data)
    return cfg


@pytest.fixture
def tiny_model(tiny_config: Config) -> CoCa:
    """The tiny model with the weights of seed 0, in evaluation mode."""
    torch.manual_seed(0)
    init_default_scope('mmpretrain')
    return MODELS.build(tiny_config.model).eval()


@pytest.fixture
def images(tiny_config: Config) -> torch.Tensor:
    """Four images of noise, (4,3,H,W), as the data preprocessor leaves them."""
    size = tiny_config.model.backbone.img_size
    return torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(0))


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


@pytest.fixture(scope='session')
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as pip builds it."""
    folder = tmp_path_factory.mktemp('wheel')
    source = folder / 'source'
    source.mkdir()
    for name in ('README.md', 'LICENSE', 'setup.cfg', 'pyproject.toml', 'model-index.yml'):
        shutil.copy(REPOSITORY / name, source)
    for name in ('configs', 'projects'):
        shutil.copytree(REPOSITORY / name, source / name, symlinks=True)
    command = [sys.executable, '-m', 'pip', 'wheel', '--no-deps', '-w', str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel, ) = folder.glob('mmcoca-*.whl')
    return wheel

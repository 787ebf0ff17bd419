# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Data that many tests share, also those of two processes at a time (pytest-xdist)."""

import gc
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Before torch is loaded: what mmcoca would set, and a thread for each of two processes.
if 'GOMP_SPINCOUNT' not in os.environ:
    os.environ['GOMP_SPINCOUNT'] = '10000'
if 'PYTEST_XDIST_WORKER' in os.environ:
    os.environ.setdefault('OMP_NUM_THREADS', '1')

import pytest
import torch
from filelock import FileLock
from in_process import run_in_process
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from yapf.yapflib import yapf_api

from mmcoca.datasets.shards import ShardSample, write_shard
from mmcoca.models import CoCa
from mmcoca.shipped_files import local_path

REPOSITORY = Path(__file__).parents[1]
LONGEST = (
    'test_open_clip.py',  # without the default data, which the other process makes meanwhile
    'test_programs.py',
    'test_compile.py',
    'test_processes.py',
    'test_exact_resume.py',
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no process is left alone with one in the end."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


def pytest_collection_finish() -> None:
    """What is imported stays: MMEngine has each data set look through all objects for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope='session', autouse=True)
def configs_are_written_as_they_are() -> Iterator[None]:
    """Without yapf, by which MMEngine formats a run's config, a second and more each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yapf_api, 'FormatCode', lambda text, **options: (text, True))
        yield


@pytest.fixture(scope='session')
def repository() -> Path:
    """The root of the repository."""
    return REPOSITORY


@pytest.fixture(scope='session')
def run_tool() -> Callable[..., subprocess.CompletedProcess]:
    """A function that runs a tool, named by its path below tools/, in this process.

    As run_in_process, in the repository unless told otherwise.
    """

    def run(tool: str, *args: object, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess:
        return run_in_process(REPOSITORY / 'tools' / tool, *args, cwd=cwd)

    return run


@contextmanager
def shared_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """A folder of this run of pytest; its other process waits for what is made there."""
    root = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:
        root = root.parent
    with FileLock(root / f'{name}.lock'):
        (root / name).mkdir(exist_ok=True)
        yield root / name


@pytest.fixture(scope='session')
def emoji_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the complete default data, made by the converter where the user has none."""
    data = REPOSITORY / 'data' / 'emoji'
    if (data / 'manifest.json').is_file():  # written last: the set is complete
        return data
    if shutil.which('npm') is None:
        pytest.skip('npm is not installed and data/emoji does not exist')
    converter = REPOSITORY / 'tools' / 'dataset_converters' / 'emoji.py'
    with shared_folder(tmp_path_factory, 'data') as folder:
        command = [sys.executable, converter, '--out', folder / 'emoji']  # the second finds it done
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / 'emoji'


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
def icon_data(drawings: list, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen drawings laid out as the icons' data, to train on and to choose by; 16 names."""
    folder = tmp_path_factory.mktemp('icons')
    (folder / 'annotations').mkdir()
    (folder / 'train').mkdir()
    pairs = drawings[:16]
    topics = ('arrows', 'mail', 'travel', 'weather')
    records = [
        dict(caption=caption, categories=[topics[number % len(topics)]])
        for number, (_, caption) in enumerate(pairs)
    ]
    write_shard(
        folder / 'train' / '00000.tar',
        [
            ShardSample(f'{number:02d}', path.read_bytes(), path.suffix, record)
            for number, ((path, _), record) in enumerate(zip(pairs, records))
        ],
    )
    content = dict(
        images=[dict(id=i, file_name=str(path)) for i, (path, _) in enumerate(pairs)],
        annotations=[dict(id=i, image_id=i, **record) for i, record in enumerate(records)],
    )
    (folder / 'annotations' / 'dev_lucide.json').write_text(json.dumps(content))
    names = ''.join(f'{caption}\n' for _, caption in pairs)
    (folder / 'annotations' / 'names.txt').write_text(names)
    shutil.copy(local_path('mmcoca://coca_small_icons/tokenizer.json'), folder)
    return folder


@pytest.fixture
def much_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For a test that takes many gigabytes: it is the only such one at the time."""
    with shared_folder(tmp_path_factory, 'much_memory'):
        yield


@pytest.fixture(scope='session')
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as pip builds it."""
    with shared_folder(tmp_path_factory, 'wheel') as folder:
        if not any(folder.glob('mmcoca-*.whl')):
            build_wheel(folder, tmp_path_factory.mktemp('source'))
    (wheel, ) = folder.glob('mmcoca-*.whl')
    return wheel


def build_wheel(folder: Path, source: Path) -> None:
    """Build in a copy of the repository, where pip leaves files of its own."""
    for name in ('README.md', 'LICENSE', 'setup.cfg', 'pyproject.toml', 'model-index.yml'):
        shutil.copy(REPOSITORY / name, source)
    for name in ('configs', 'projects'):
        shutil.copytree(REPOSITORY / name, source / name, symlinks=True)
    command = [sys.executable, '-m', 'pip', 'wheel', '--no-deps', '-w', str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

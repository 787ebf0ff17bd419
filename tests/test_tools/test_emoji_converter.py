# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer

CONVERTER = Path(__file__).parents[2] / 'tools' / 'dataset_converters' / 'emoji.py'
ARTISTS = {'openmoji', 'noto', 'fluent-emoji-flat', 'twemoji'}
OPENMOJI = 'openmoji-17.0.0.tgz'
ICONIFY = {
    'noto': 'iconify-json-noto-1.2.9.tgz',
    'fluent-emoji-flat': 'iconify-json-fluent-emoji-flat-1.2.6.tgz',
    'twemoji': 'iconify-json-twemoji-1.2.5.tgz',
}
SPLIT_SIZES = {
    'train': 1434 * 3,
    'test_artist': 1434,
    'test_artist_without_flags': 1429,
    'test_concept': 160 * 4,
    'train_dev': 1434 * 2,
    'val_dev': 1434,
}


def run_converter(*args: str | Path, **env: str) -> subprocess.CompletedProcess:
    command = [sys.executable, CONVERTER, *args]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env})


def assert_one_error_line(done: subprocess.CompletedProcess, *words: str) -> None:
    assert done.returncode == 1
    (line, ) = done.stderr.splitlines()
    assert line.startswith('error: ')
    for word in words:
        assert word in line


def modification_times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob('*')]}


@pytest.fixture(scope='module')
def splits(emoji_data: Path) -> dict[str, dict]:
    folder = emoji_data / 'annotations'
    return {path.stem: json.loads(path.read_text('utf-8')) for path in folder.glob('*.json')}


@pytest.fixture(scope='module')
def tarballs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four packages, fetched here without the converter."""
    if shutil.which('npm') is None:
        pytest.skip('npm is not installed')
    packages = ['openmoji@17.0.0', '@iconify-json/noto@1.2.9', '@iconify-json/twemoji@1.2.5']
    packages.append('@iconify-json/fluent-emoji-flat@1.2.6')
    folder = tmp_path_factory.mktemp('npm')
    done = subprocess.run(['npm', 'pack', *packages], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def read_member(tarball: Path, name: str) -> list | dict:
    with tarfile.open(tarball) as archive:
        return json.load(archive.extractfile(f'package/{name}'))


@pytest.fixture(scope='module')
def annotation_by_key(tarballs: Path) -> dict[str, str]:
    """OpenMoji's annotation of each concept that four artists drew, joined here independently."""

    def key(hexcode: str) -> str:
        return hexcode.upper().replace('-FE0F', '')

    annotations = {
        key(entry['hexcode']): entry['annotation']
        for entry in read_member(tarballs / OPENMOJI, 'data/openmoji.json')
        if entry['skintone'] == ''
    }
    drawn = [{key(h) for h in read_member(tarballs / t, 'chars.json')} for t in ICONIFY.values()]
    return {k: text for k, text in annotations.items() if all(k in keys for keys in drawn)}


def test_splits_hold_the_stated_images(splits):
    assert {name: len(content['images']) for name, content in splits.items()} == SPLIT_SIZES
    for content in splits.values():
        ids = [image['id'] for image in content['images']]
        assert len(set(ids)) == len(ids)
        assert [annotation['image_id'] for annotation in content['annotations']] == ids


def test_captions_and_held_out_concepts(splits, annotation_by_key):
    assert len(annotation_by_key) == 1594
    held_out = set(random.Random(0).sample(sorted(annotation_by_key), 160))
    for name, content in splits.items():
        keys = set()
        for image, annotation in zip(content['images'], content['annotations'], strict=True):
            key = annotation['hexcode']
            assert image['file_name'] == f'{image["artist"]}/{key}.png'
            assert annotation['caption'] == annotation_by_key[key]
            keys.add(key)
        if name == 'test_concept':
            assert keys == held_out
        elif name == 'test_artist_without_flags':
            assert keys < set(annotation_by_key) - held_out
        else:
            assert keys == set(annotation_by_key) - held_out


def test_artists_of_each_split(splits):
    artists = {name: {i['artist'] for i in content['images']} for name, content in splits.items()}
    assert artists == {
        'train': ARTISTS - {'twemoji'},
        'test_artist': {'twemoji'},
        'test_artist_without_flags': {'twemoji'},
        'test_concept': ARTISTS,
        'train_dev': {'openmoji', 'fluent-emoji-flat'},
        'val_dev': {'noto'},
    }
    groups = {a['group'] for a in splits['test_artist_without_flags']['annotations']}
    assert groups == {a['group'] for a in splits['test_artist']['annotations']} - {'flags'}


def test_images_are_rgb_and_drawn(splits, emoji_data):
    names = {image['file_name'] for content in splits.values() for image in content['images']}
    on_disk = (emoji_data / 'images').rglob('*.png')
    assert names == {path.relative_to(emoji_data / 'images').as_posix() for path in on_disk}
    assert len(names) == 1594 * 4
    for name in names:
        with Image.open(emoji_data / 'images' / name) as image:
            assert (image.mode, image.size) == ('RGB', (96, 96)), name
            pixels = np.asarray(image)
        dark_enough = (pixels.min(axis=2) < 250).mean()
        assert dark_enough > 0.03 and pixels.std() > 1, name


def test_drawing_is_centred_with_its_aspect_ratio(emoji_data):
    # Twemoji's watermelon is the one drawing with a view box far from square: 36 x 25.22.
    with Image.open(emoji_data / 'images' / 'twemoji' / '1F349.png') as image:
        rows, columns = np.nonzero(np.asarray(image).min(axis=2) < 250)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert width >= 94
    assert height / width == pytest.approx(25.22 / 36, abs=0.03)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(47.5, abs=1)


def test_tokenizer_reads_every_caption(splits, emoji_data):
    tokenizer = Tokenizer.from_file(str(emoji_data / 'tokenizer.json'))
    assert tokenizer.get_vocab_size() == 2048
    assert [tokenizer.token_to_id(t) for t in ('<pad>', '<sos>', '<eos>')] == [0, 1, 2]
    for content in splits.values():
        for caption in {annotation['caption'] for annotation in content['annotations']}:
            ids = tokenizer.encode(caption).ids
            assert min(ids) > 2  # no special token is added or stands for unknown text
            assert tokenizer.decode(ids) == f' {caption}'


def test_attribution_and_manifest(emoji_data):
    text = (emoji_data / 'ATTRIBUTION.md').read_text('utf-8')
    for words in ('CC BY-SA 4.0', 'Apache-2.0', 'CC BY 4.0', 'MIT', *ARTISTS):
        assert words in text
    assert 'Attribution-ShareAlike 4.0' in (emoji_data / 'licenses' /
                                            'openmoji-LICENSE.txt').read_text('utf-8')
    manifest = json.loads((emoji_data / 'manifest.json').read_text('utf-8'))
    assert manifest['splits'] == SPLIT_SIZES
    for name, expected in manifest['sha256'].items():
        assert hashlib.sha256((emoji_data / name).read_bytes()).hexdigest() == expected


def test_second_run_changes_nothing(emoji_data):
    before = modification_times(emoji_data)
    done = run_converter('--out', emoji_data)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith('is already complete\n') and done.stdout.count('\n') == 1
    assert modification_times(emoji_data) == before


def test_other_size_leaves_the_set_alone(emoji_data):
    before = modification_times(emoji_data)
    assert_one_error_line(run_converter('--out', emoji_data, '--size', '64'), 'size', 'delete')
    assert modification_times(emoji_data) == before


def test_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / 'photo.txt').write_text('mine')
    before = modification_times(tmp_path)
    assert_one_error_line(run_converter('--out', tmp_path), str(tmp_path), 'choose another')
    assert modification_times(tmp_path) == before


def test_missing_npm(tmp_path):
    done = run_converter('--out', tmp_path / 'data' / 'emoji', PATH=str(tmp_path))
    assert_one_error_line(done, 'npm was not found')
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which('npm') is None, reason='npm is not installed')
def test_failing_npm(tmp_path, tmp_path_factory):
    offline = {
        'npm_config_registry': 'http://127.0.0.1:9',
        'npm_config_fetch_retries': '0',
        'npm_config_cache': str(tmp_path_factory.mktemp('cache')),
    }
    done = run_converter('--out', tmp_path / 'data' / 'emoji', **offline)
    assert_one_error_line(done, 'npm failed: ', '127.0.0.1:9')
    assert not any(tmp_path.iterdir())


def test_missing_python_package(tmp_path):
    # This module stands in front of the installed resvg_py.
    (tmp_path / 'resvg_py.py').write_text('raise ImportError("No module named resvg_py")')
    done = run_converter('--out', tmp_path / 'emoji', PYTHONPATH=str(tmp_path))
    assert_one_error_line(done, 'resvg_py', 'pip install')
    assert not (tmp_path / 'emoji').exists()


def test_truncated_tarball(tarballs, tmp_path, tmp_path_factory):
    npm_dir = tmp_path_factory.mktemp('truncated')
    for name in ICONIFY.values():
        shutil.copy(tarballs / name, npm_dir)
    (npm_dir / OPENMOJI).write_bytes((tarballs / OPENMOJI).read_bytes()[:-100])
    done = run_converter('--out', tmp_path / 'data' / 'emoji', '--npm-dir', npm_dir)
    assert_one_error_line(done, OPENMOJI, 'damaged')
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == 'win32', reason='Windows has no POSIX signals')
def test_interrupt_leaves_nothing(tarballs, tmp_path):
    partial = tmp_path / 'data' / 'emoji.partial'
    partial.mkdir(parents=True)
    (partial / 'stale.png').touch()
    command = [sys.executable, CONVERTER, '--out', tmp_path / 'data' / 'emoji']
    process = subprocess.Popen(
        [*command, '--npm-dir', tarballs],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C reaches the workers too, as at a terminal
        # A test run in the background may itself ignore Ctrl-C, and would pass that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and not any((partial / 'images').glob('*/*.png')):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert 'Traceback' not in errors
    assert not any((tmp_path / 'data').iterdir())

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What `python -m build` puts into the wheel, and that it works from there alone."""

import json
import os
import shutil
import subprocess
import sys
import zipfile

import pytest

import mmcoca

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="M12 21 3 12a5.5 5.5 0 0 '
    '1 9-6 5.5 5.5 0 0 1 9 6z"/></svg>'
)


@pytest.fixture(scope='module')
def wheel(repository, tmp_path_factory):
    """Built of a copy of what git knows, by setuptools alone."""
    source, out = tmp_path_factory.mktemp('source'), tmp_path_factory.mktemp('wheel')
    files = subprocess.run(
        ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split('\0')
    for name in filter(None, files):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(repository / name):
            shutil.copy(repository / name, target, follow_symlinks=False)
    command = [sys.executable, '-m', 'build', '--wheel', '--no-isolation', '--outdir', out, source]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    (path, ) = out.glob('*.whl')
    return path


def test_contents(wheel, repository):
    assert wheel.name == f'mmcoca-{mmcoca.__version__}-py3-none-any.whl'
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if '.dist-info/' not in name}
    package = repository / 'projects' / 'coca'
    modules = {p.relative_to(package).as_posix() for p in package.glob('mmcoca/**/*.py')}
    modules = {name for name in modules if '/.mim/' not in name}
    configs = {
        f'mmcoca/.mim/{p.relative_to(repository).as_posix()}'
        for p in repository.glob('configs/**/*.py')
    }
    index = {'mmcoca/.mim/model-index.yml', 'mmcoca/.mim/projects/coca/metafile.yml'}
    shipped = {
        f'mmcoca/shipped/coca_small_icons/{name}'
        for name in ('model.safetensors', 'tokenizer.json', 'README.md', 'ATTRIBUTION.md')
    }
    assert names == modules | configs | index | shipped


def test_one_command_captions_a_folder(wheel, tmp_path):
    """With nothing of the repository in sight."""
    install = [sys.executable, '-m', 'pip', 'install', '--no-deps', '--target', tmp_path / 'site']
    subprocess.run([*map(str, install), str(wheel)], check=True, capture_output=True)
    (tmp_path / 'icons').mkdir()
    (tmp_path / 'icons' / 'heart.svg').write_text(ICON)
    code = 'import mmcoca; print(mmcoca.__file__)'
    env = dict(os.environ, PYTHONPATH=str(tmp_path / 'site'))
    run = dict(cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    where = subprocess.run([sys.executable, '-c', code], **run).stdout
    assert where.startswith(str(tmp_path))
    command = '-m mmcoca caption coca_small_icons icons --out captions.jsonl'.split()
    subprocess.run([sys.executable, *command], **run)
    (row, ) = map(json.loads, (tmp_path / 'captions.jsonl').read_text().splitlines())
    assert row['image'] == 'heart.svg' and row['caption'] == 'heart'

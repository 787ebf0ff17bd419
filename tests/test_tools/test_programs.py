# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Tools as programs, in processes of their own; what they compute is tested elsewhere."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from PIL import Image
from warm_processes import run_warm

from mmcoca.apis import EmbeddingIndex

TOOLS = Path(__file__).parents[2] / 'tools'
CONFIG = TOOLS.parent / 'configs' / 'coca' / 'coca_tiny_emoji.py'


@pytest.fixture(scope='module')
def checkpoint(tiny_config, tmp_path_factory):
    """Weights of the tiny model at its start, in a file."""
    torch.manual_seed(0)
    init_default_scope('mmpretrain')
    path = tmp_path_factory.mktemp('weights') / 'tiny.pth'
    torch.save(dict(state_dict=MODELS.build(tiny_config.model).state_dict()), path)
    return path


@pytest.fixture
def place(emoji_data, tmp_path):
    """A folder with the default data, as configs name it."""
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'emoji').symlink_to(emoji_data)
    return tmp_path


def start(tool, *args, cwd, **env):
    """Start a program; without the variables of whoever runs the tests that it acts on."""
    acted_on = ('GOMP_SPINCOUNT', 'MALLOC_MMAP_MAX_', 'MALLOC_TRIM_THRESHOLD_')
    kept = {name: value for name, value in os.environ.items() if name not in acted_on}
    path = os.pathsep.join([str(cwd), os.environ.get('PYTHONPATH', '')])
    return subprocess.Popen(
        list(map(str, [sys.executable, TOOLS / tool, *args])),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=dict(kept, PYTHONPATH=path, **env),
    )


def succeed(tool, *args, cwd, **env):
    """Run a program to its end -> its stderr."""
    process = start(tool, *args, cwd=cwd, **env)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return errors


def run(tool, *args, cwd):
    """Run a program whose imports are done to its end -> its stdout."""
    done = run_warm(TOOLS / tool, *args, cwd=cwd)
    assert done.returncode == 0 and 'Traceback' not in done.stderr, done.stderr
    return done.stdout


MEMORY_HOOK = '''
import re
from pathlib import Path

import torch
from mmengine.hooks import Hook
from mmpretrain.registry import HOOKS


@HOOKS.register_module()
class MemoryHook(Hook):
    """Writes whether 64 MiB, which malloc would map by itself, come from the heap."""

    def before_train_iter(self, *args, **kwargs):
        address = torch.empty(2**26, dtype=torch.uint8).data_ptr()
        maps = Path('/proc/self/maps').read_text()
        start, end = (int(x, 16) for x in re.search(r'(\\w+)-(\\w+) .*\\[heap\\]', maps).groups())
        Path('is_heap').write_text(str(start <= address < end))

    before_test_iter = before_train_iter
'''


@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
@pytest.mark.parametrize(
    'tool, env, is_heap, spins',
    [
        ('train.py', {}, True, 10000),
        ('test.py', {}, True, 10000),
        # What the user has set wins.
        ('test.py', dict(MALLOC_MMAP_MAX_='65536', GOMP_SPINCOUNT='77'), False, 77),
    ],
)
def test_train_and_test_keep_freed_memory_and_spin_shortly(
    tool, env, is_heap, spins, place, checkpoint
):
    (place / 'memory_hook.py').write_text(MEMORY_HOOK)
    (place / 'config.py').write_text(
        f'_base_ = {str(CONFIG)!r}\n'
        "custom_imports = dict(imports=['memory_hook'])\n"
        "custom_hooks = [dict(type='MemoryHook')]\n"
        'train_cfg = dict(max_epochs=1)\n'
        'train_dataloader = dict(batch_size=16, dataset=dict(indices=32))\n'
        'test_dataloader = dict(dataset=dict(indices=16))\n'
    )
    args = ['--no-validate'] if tool == 'train.py' else [checkpoint]
    errors = succeed(tool, 'config.py', *args, cwd=place, OMP_DISPLAY_ENV='verbose', **env)
    assert (place / 'is_heap').read_text() == str(is_heap)
    if 'libgomp' in Path('/proc/self/maps').read_text():  # torch's, where it is built with it
        assert f"GOMP_SPINCOUNT = '{spins}'" in errors
    if tool == 'train.py':
        assert (place / 'work_dirs' / 'config' / 'epoch_1.pth').is_file()


def test_tools_on_a_folder_of_images(place, drawings, checkpoint):
    (place / 'images').mkdir()
    names = [path.name for path, _ in drawings[:3]]
    for path, _ in drawings[:3]:
        shutil.copy(path, place / 'images')

    def run_tool(tool, *args):
        return run(tool, CONFIG, checkpoint, *args, cwd=place)

    run_tool('inference/caption.py', 'images', '--out', 'captions.jsonl', '--max-length', 6)
    captions = map(json.loads, (place / 'captions.jsonl').read_text().splitlines())
    assert sorted(caption['image'] for caption in captions) == sorted(names)
    table = run_tool('inference/classify.py', 'images', '--classes', 'cat', 'dog')
    rows = list(csv.DictReader(table.splitlines()))
    assert len(rows) == 3 and {row['class'] for row in rows} <= {'cat', 'dog'}
    run_tool('inference/embed.py', '--images', 'images', '--out', 'images.safetensors')
    query = ['--image', f'images/{names[0]}', '--top-k', 1]
    found = run_tool('inference/search.py', 'images.safetensors', *query)
    assert found.splitlines()[1] == f'images/{names[0]},{names[0]},1.0000'
    run_tool('visualization/caption_sheet.py', 'images', '--out', 'sheet.html', '--max-length', 6)
    assert (place / 'sheet.html').read_text().count('class="row"') == 3


def test_draw_report(place, checkpoint):
    options = ['--cfg-options', 'test_dataloader.dataset.indices=8']
    options.append('model.generation.min_length=3')
    tool = 'visualization/draw_report.py'
    out = run(tool, CONFIG, checkpoint, '--out', 'pictures', *options, cwd=place)
    pictures = [f'pictures/{name}.png' for name in ('predictions', 'attention', 'occlusion')]
    assert out.splitlines()[-3:] == pictures
    for picture in pictures:
        with Image.open(place / picture) as image:
            assert min(image.size) > 300


def test_open_clip_parity(tmp_path):
    args = ['coca_ViT-B-32', '--layers', 1, '--batch-size', 1]
    out = run('model_converters/open_clip_parity.py', *args, cwd=tmp_path)
    row = [cell.strip() for cell in out.splitlines()[-1].strip('|').split('|')]
    assert row[:4] == ['coca_ViT-B-32', '1', 'float32', '1'] and row[-1] == 'equal'
    assert len(row[4:-1]) == 6 and all(float(cell) < 1e-4 for cell in row[4:-1])


def stop_reading(process):
    """A program ends well though nobody reads any more what it writes."""
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait() == 0, errors
    assert 'Error' not in errors and 'Traceback' not in errors, errors


def test_a_reader_that_goes_is_no_error(place, checkpoint, tiny_config):
    """As `head`: before the first line, and in the middle of more than a buffer holds."""
    (place / 'images').mkdir()
    for number, path in enumerate(sorted((place / 'data/emoji/images').rglob('*.png'))[:60]):
        (place / 'images' / f'{"long_name_" * 20}{number}.png').symlink_to(path)
    dims = tiny_config.model.contrastive_head.embed_dims
    EmbeddingIndex(torch.eye(2, dims), ['a', 'b']).save(place / 'index.safetensors')
    args = ['index.safetensors', '--texts', 'cat']
    stop_reading(start('inference/search.py', CONFIG, checkpoint, *args, cwd=place))
    args = ['images', '--classes', *(f'thing {i}' for i in range(20)), '--top-k', 20]
    process = start('inference/classify.py', CONFIG, checkpoint, *args, cwd=place)
    assert process.stdout.readline() == 'image,class,probability\n'
    stop_reading(process)

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""to_shards.py and check_shards.py."""

import json
import re

import pytest
from mmengine.registry import init_default_scope

from mmcoca.datasets import ImageTextDataset, ImageTextShards

TO_SHARDS = 'dataset_converters/to_shards.py'
CHECK = 'dataset_converters/check_shards.py'


@pytest.fixture
def pairs(tmp_path, drawings):
    """Twelve images, the first with two captions."""
    rows = [dict(image=str(path), caption=caption) for path, caption in drawings[:12]]
    rows[0]['caption'] = [rows[0]['caption'], 'another']
    file = tmp_path / 'pairs.jsonl'
    file.write_text('\n'.join(map(json.dumps, rows)))
    return file


def contents(folder):
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.suffix != '.npz'
    }


def test_shards_hold_what_the_data_set_holds(run_tool, pairs, tmp_path):
    init_default_scope('mmpretrain')
    out = tmp_path / 'shards'
    arguments = (TO_SHARDS, pairs, '--out', out, '--per-shard', 5)
    done = run_tool(*arguments)
    assert done.returncode == 0, done.stderr
    assert f'{out}: 12 images in 3 shards' in done.stdout
    pipeline = [dict(type='mmcoca.LoadImage')]
    files = ImageTextDataset(str(pairs), pipeline=pipeline, test_mode=True)
    shards = ImageTextShards(str(out), pipeline, test_mode=True)
    found = {tuple(item['gt_caption']): item['img'] for item in map(shards.__getitem__, range(12))}
    for number in range(12):
        item = files[number]
        assert (found.pop(tuple(item['gt_caption'])) == item['img']).all()
    assert shards.shard_sizes.tolist() == [5, 5, 2]
    before = contents(out)
    assert run_tool(*arguments).returncode == 0 and contents(out) == before
    again = tmp_path / 'again'
    run_tool(TO_SHARDS, pairs, '--out', again, '--per-shard', 5)
    assert contents(again) == before


def test_it_goes_on_behind_the_last_whole_shard(run_tool, pairs, tmp_path):
    out = tmp_path / 'shards'
    arguments = (TO_SHARDS, pairs, '--out', out, '--per-shard', 5)
    run_tool(*arguments)
    before = contents(out)
    (out / '00001.tar').unlink()
    (out / '.00001.tar.123').write_bytes(b'left by a killed process')
    first = (out / '00000.tar').stat().st_mtime_ns
    assert run_tool(*arguments).returncode == 0
    assert contents(out) == before
    assert (out / '00000.tar').stat().st_mtime_ns == first
    (out / '00002.tar').write_bytes((out / '00002.tar').read_bytes()[:1000])
    done = run_tool(*arguments)
    assert '12 images in 3 shards, 2 of them already there' in done.stdout
    assert contents(out) == before
    for other in (('--per-shard', 4), ('--seed', 1)):
        done = run_tool(*arguments, *other)
        assert done.returncode == 1 and done.stderr.count('\n') == 1
        assert f'made with other settings ({other[0][2:].replace("-", "_")})' in done.stderr
    assert contents(out) == before


def test_an_image_that_is_not_there_is_one_line(run_tool, tmp_path):
    (tmp_path / 'a.csv').write_text('image,caption\nabsent.png,x\n')
    done = run_tool(TO_SHARDS, tmp_path / 'a.csv', '--out', tmp_path / 'shards')
    assert done.returncode == 1 and re.search(r'line 2: image absent.png', done.stderr)
    assert 'Traceback' not in done.stderr and not (tmp_path / 'shards').exists()


def test_checking(run_tool, pairs, tmp_path):
    out = tmp_path / 'shards'
    run_tool(TO_SHARDS, pairs, '--out', out, '--per-shard', 5)
    done = run_tool(CHECK, out)
    assert done.returncode == 0, done.stderr
    assert '12 samples in 3 shards: nothing is wrong' in done.stdout
    cut = out / '00001.tar'
    cut.write_bytes(cut.read_bytes()[:cut.stat().st_size // 2])
    done = run_tool(CHECK, out, '--caption-key', 'caption', '--workers', 2)
    assert done.returncode == 1
    assert re.search(r'broken shard: \S+/00001.tar, after \d samples: .*cut short', done.stdout)
    done = run_tool(CHECK, out / '00000.tar', '--caption-key', 'nothing=2', 'none')
    assert done.returncode == 1 and done.stdout.count('missing caption: ') == 5
    assert '5 samples in 1 shards: 5 missing caption, 2 unused caption key' in done.stdout
    done = run_tool(CHECK, out / '00000.tar', '--caption-key', 'caption=3', 'aliasses')
    assert done.returncode == 1 and "no sample has 'aliasses'" in done.stdout
    done = run_tool(CHECK, tmp_path / 'absent.tar')
    assert done.returncode == 1 and done.stderr.endswith('absent.tar does not exist\n')

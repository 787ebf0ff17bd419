# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Evaluation on drawings that a model never saw, of a few emoji in their place."""

import json

import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

from mmcoca.datasets.shards import ShardSample, write_shard

SETS = (
    'icons/annotations/test_ph.json', 'icons/annotations/test_game-icons.json',
    'icons/annotations/test_flat-color-icons.json', 'emoji/annotations/test_artist.json',
    'emoji/annotations/test_concept.json'
)
NUM_IMAGES = 24


@pytest.fixture(scope='module')
def folder(emoji_data, tiny_config, tmp_path_factory):
    """Data sets of 24 drawings each, and the weights of two tiny models."""
    folder = tmp_path_factory.mktemp('unseen')
    content = json.loads((emoji_data / 'annotations' / 'test_artist.json').read_text())
    for number, name in enumerate(SETS):
        images = content['images'][number * NUM_IMAGES:][:NUM_IMAGES]
        ids = {image['id'] for image in images}
        annotations = [a for a in content['annotations'] if a['image_id'] in ids]
        path = folder / 'data' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict(content, images=images, annotations=annotations)))
    for data in ('icons', 'emoji'):
        (folder / 'data' / data / 'images').symlink_to(emoji_data / 'images')
    (folder / 'data' / 'emoji' / 'tokenizer.json').symlink_to(emoji_data / 'tokenizer.json')
    init_default_scope('mmpretrain')
    for seed in range(2):
        torch.manual_seed(seed)
        state = MODELS.build(tiny_config.model).state_dict()
        torch.save(dict(state_dict=state), folder / f'{seed}.pth')
    return folder


def test_metrics_are_those_of_test_py(run_tool, repository, folder):
    config = repository / 'configs' / 'coca' / 'coca_tiny_emoji.py'
    arguments = [
        config, folder / '0.pth', folder / '1.pth', '--out', folder / 'out' / 'unseen.json'
    ]
    done = run_tool('studies/unseen.py', *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    sets = json.loads((folder / 'out' / 'unseen.json').read_text())['sets']
    assert len(sets) == 8 and all(of_set['texts'] == NUM_IMAGES for of_set in sets.values())
    table = (folder / 'out' / 'unseen.md').read_text()
    assert all(f'| {name} |' in table for name in sets) and 'the mean of 2 seeds' in table
    metrics = sets['emoji, test_concept']['metrics']
    for seed in range(2):
        out = folder / f'{seed}.json'
        done = run_tool(
            'test.py',
            config,
            folder / f'{seed}.pth',
            '--work-dir',
            folder / 'run',
            '--out',
            out,
            '--out-item',
            'metrics',
            '--cfg-options',
            'test_dataloader.dataset.ann_file=annotations/test_concept.json',
            cwd=folder
        )
        assert done.returncode == 0, done.stderr
        expected = json.loads(out.read_text())
        assert {key: values[seed]
                for key, values in metrics.items()} == {key: expected[key]
                                                        for key in metrics}
    assert sets['emoji, test_concept, without colour']['metrics'] != metrics


def test_missing_data_are_one_line(run_tool, repository, folder):
    config = repository / 'configs' / 'coca' / 'coca_tiny_emoji.py'
    done = run_tool(
        'studies/unseen.py',
        config,
        folder / '0.pth',
        '--dev',
        '--out',
        folder / 'a.json',
        cwd=folder
    )
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert 'dev_lucide.json does not exist' in done.stderr


def test_everyday_classes(run_tool, repository, folder, tmp_path):
    """Of a model that has learned nothing, by hand: the nearest name of the class."""
    config = repository / 'configs' / 'coca' / 'coca_tiny_emoji.py'
    content = dict(images=[], annotations=[])
    source = json.loads((folder / 'data' / SETS[3]).read_text())
    words = ['cat', 'dog', 'apple', 'car', 'saw']
    for number, (image, word) in enumerate(zip(source['images'], words)):
        content['images'].append(dict(image, id=number))
        content['annotations'].append(dict(id=number, image_id=number, caption=word))
    for name in (SETS[0], SETS[1], SETS[3]):
        (tmp_path / 'data' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'data' / name).write_text(json.dumps(content))
    for data in ('icons', 'emoji'):
        (tmp_path / 'data' / data / 'images').symlink_to(folder / 'data' / data / 'images')
    (tmp_path / 'data/emoji/tokenizer.json').symlink_to(folder / 'data/emoji/tokenizer.json')
    arguments = [config, folder / '0.pth', '--out', tmp_path / 'easy.json']
    done = run_tool('studies/easy_classes.py', *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / 'easy.json').read_text())
    assert {(row['classes'], row['number']) for row in rows} == {
        ('animals', 2), ('food', 1), ('vehicles', 1), ('tools', 1)
    }  # yapf: disable
    assert len(rows) == 12 and all(0 <= row['right'] <= row['number'] for row in rows)
    assert '| animals (25) | Phosphor |' in (tmp_path / 'easy.md').read_text()


def test_maps_of_words(folder, run_tool, tmp_path):
    """Of the shipped model: hiding what occlusion shows costs its words more than a random part."""
    out = tmp_path / 'maps.json'
    arguments = [
        '--annotations', folder / 'data' / SETS[0], '--images', folder / 'data/icons/images'
    ]
    done = run_tool(
        'studies/word_maps.py', 'coca_small_icons', *arguments, '--number', '4', '--out', out
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert list(found) == ['attention', 'occlusion', 'gradient', 'most ink', 'random']
    assert len({len(values) for values in found.values()}) == 1 and len(found['random']) >= 4
    assert sum(found['occlusion']) > sum(found['random'])
    assert '| occlusion | ' in out.with_suffix('.md').read_text()


def test_known_and_new_captions(folder, run_tool, tmp_path):
    """Of each set half the captions stand in the training data, by name or as another name."""
    for name in SETS[:3]:
        path = tmp_path / 'data' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((folder / 'data' / name).read_text())
    (tmp_path / 'data' / 'icons' / 'images').symlink_to(folder / 'data' / 'icons' / 'images')
    captions = [
        annotation['caption']
        for name in SETS[:3]
        for annotation in json.loads((folder / 'data' / name).read_text())['annotations']
    ]
    labels = [
        dict(caption=captions[i], aliases=[captions[i + 1]]) for i in range(0, len(captions), 4)
    ]
    image = next((folder / 'data' / 'icons' / 'images').rglob('*.png')).read_bytes()
    (tmp_path / 'data' / 'icons' / 'train').mkdir()
    write_shard(
        tmp_path / 'data' / 'icons' / 'train' / '00000.tar',
        [ShardSample(f'{i:03}', image, '.png', x) for i, x in enumerate(labels)],
    )
    out = tmp_path / 'known.json'
    arguments = ['coca_small_icons', '--data', tmp_path / 'data', '--out', out]
    done = run_tool('studies/known_captions.py', *arguments)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())
    assert [(row['drawings'], row['captions'], row['number']) for row in rows] == [
        (name, kind, NUM_IMAGES // 2)
        for name in ('Phosphor', 'Game-icons', 'Flat Color Icons')
        for kind in ('known', 'new')
    ]
    assert all(0 <= row['R@1'] <= row['R@5'] <= 100 for row in rows)

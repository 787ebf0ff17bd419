# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Pairs from tar shards, whole and broken, near and far."""

import io
import json
import os
import pickle
import tarfile
import threading
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader
from warm_processes import CONTEXT

from mmcoca.datasets import (
    AnnotationError,
    ImageLabelShards,
    ImageTextShards,
    SeededDataset,
    TrainingSampler,
    UnreadableImageError,
)
from mmcoca.datasets.shards import (
    Fault,
    ShardCache,
    ShardSample,
    expand,
    image_text_shards,
    index_path,
    write_shard,
)
from mmcoca.datasets.shards.shard_names import short_names
from mmcoca.errors import SettingError
from mmcoca.registry import DATASETS

PIPELINE = [
    dict(type='mmcoca.LoadImage'),
    dict(type='PackInputs', algorithm_keys=['gt_caption'], meta_keys=['image_id', 'img_path']),
]
EXTRA = dict(aliases=['other', 'third'], categories=['kind'])


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpretrain')


def encoded(number, ending='.png'):
    return cv2.imencode(ending, np.full((4, 4, 3), number, np.uint8))[1].tobytes()


def make_shards(folder, sizes=(3, 4, 2)):
    """Shards whose images are grey, as bright as their number."""
    number = 0
    for shard, size in enumerate(sizes):
        samples = []
        for _ in range(size):
            record = dict(caption=f'thing {number}', **EXTRA)
            samples.append(ShardSample(f'{number:03d}', encoded(number), '.png', record))
            number += 1
        write_shard(folder / f'{shard:05d}.tar', samples)
    return folder


def write_tar(path, members):
    """A tar of (name, bytes), by nobody's rules."""
    with tarfile.open(path, 'w') as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def shown(item):
    return int(item['inputs'][0, 0, 0]), item['data_samples'].gt_caption


def test_items_in_order(tmp_path):
    data = ImageTextShards(str(make_shards(tmp_path)), PIPELINE)
    assert len(data) == 9 and data.shard_sizes.tolist() == [3, 4, 2]
    assert [shown(data[i]) for i in range(9)] == [(i, f'thing {i}') for i in range(9)]
    sample = data[5]['data_samples']
    assert sample.image_id == 5 and sample.img_path == f'{tmp_path}/00001.tar/005.png'
    with pytest.raises(IndexError):
        data[9]
    built = DATASETS.build(dict(type='mmcoca.ImageTextShards', shards=str(tmp_path)))
    assert built[0]['gt_caption'] == 'thing 0'


def test_short_places_are_those_of_one_sample_each(tmp_path):
    """With folders of shards that have the same name, and the members' own."""
    for folder in ('a', 'b', 'far/a'):
        make_shards(tmp_path / folder, (1, 1))
    (tmp_path / 'b' / '00001.tar').rename(tmp_path / 'b' / 'other.tar')
    write_tar(tmp_path / 'far' / 'x.tar', [('./m/0.png', encoded(1)), ('n/0.png', encoded(2))])
    names = ('a', 'b', 'far/a', 'far')
    data = ImageTextShards([f'{tmp_path}/{name}' for name in names])
    assert [data.short_place(i,
                             data.image_file(i)[0]) for i in range(len(data))] == [
                                 f'{tmp_path.name}/a/00000.tar/000.png',
                                 f'{tmp_path.name}/a/00001.tar/001.png',
                                 'b/00000.tar/000.png',
                                 'other.tar/001.png',
                                 'far/a/00000.tar/000.png',
                                 'far/a/00001.tar/001.png',
                                 'x.tar/m/0.png',
                                 'x.tar/n/0.png',
                             ]
    urls = ['http://a/0.tar', 'http://b/0.tar?key=1', 'http://b/1.tar']
    assert short_names(urls) == ['0.tar', '0.tar?key=1', '1.tar']
    assert short_names(['0.tar', 'a/0.tar', '/a/0.tar']) == ['0.tar', 'a/0.tar', '/a/0.tar']


def test_forms_of_the_wild(tmp_path):
    """What img2dataset and webdataset write: folders, dots, .txt beside .json, JPEG, classes."""
    members = [
        ('./a/000.1.jpg', b'no image'),  # the ending is '1.jpg': of no interest
        ('./a/000.jpg', encoded(200, '.jpg')),
        ('./a/000.txt', ' a text\n'.encode()),
        ('./a/000.json', json.dumps(dict(caption=None, url='http://x')).encode()),
        ('./a/001.webp', encoded(100, '.webp')),
        ('./a/001.cls', b'7'),
        ('./a/001.json', json.dumps(dict(caption=['one', ' two  more '])).encode()),
        ('./b/001.JPG', encoded(50, '.jpg')),
        ('./b/001.txt', b'b'),
        ('long/' * 40 + 'c.png', encoded(7)),
        ('long/' * 40 + 'c.txt', 'größer'.encode()),
    ]
    write_tar(tmp_path / 'x.tar', members)
    data = ImageTextShards(str(tmp_path / 'x.tar'), PIPELINE, test_mode=True)
    captions = [data[i]['data_samples'].gt_caption for i in range(len(data))]
    assert captions == [['a text'], ['one', 'two more'], ['b'], ['größer']]
    texts = ImageTextShards(str(tmp_path / 'x.tar'), PIPELINE, caption_key='txt', test_mode=True)
    assert texts[2]['data_samples'].gt_caption == ['b']
    with pytest.raises(UnreadableImageError, match='x.tar/./a/001.webp: missing caption .no txt'):
        texts[1]


def test_captions_drawn_by_weight(tmp_path):
    key = dict(caption=2, aliases=1, categories=1, absent=5)
    shards = str(make_shards(tmp_path))
    data = SeededDataset(ImageTextShards(shards, caption_key=key))
    sampler = TrainingSampler(data, seed=0)
    counts = Counter()
    for epoch in range(300):
        sampler.set_epoch(epoch)
        counts.update(data[index]['gt_caption'].split()[0] for index in sampler)
    total = sum(counts.values())
    for caption, share in dict(thing=1 / 2, other=1 / 8, third=1 / 8, kind=1 / 4).items():
        assert counts[caption] / total == pytest.approx(share, abs=0.03)
    for weights in ({}, dict(caption=0), dict(caption='x'), dict(caption=-1)):
        with pytest.raises(SettingError, match='above 0'):
            ImageTextShards(shards, caption_key=weights)


def test_those_with_a_label(tmp_path):
    """Shuffled shard by shard, and resumed in the middle, as all shards are."""
    for shard, labels in enumerate(
        [['cat', 'dog', 'owl'], ['owl'], ['dog', [{}, 'ox', 'cat'], None]]
    ):
        samples = []
        for label in labels:
            number = 10 * shard + len(samples)
            record = {} if label is None else dict(kind=label)
            samples.append(ShardSample(f'{number:03d}', encoded(number), '.png', record))
        write_shard(tmp_path / f'{shard}.tar', samples)
    pipeline = [PIPELINE[0], dict(type='PackInputs', meta_keys=['gt_caption', 'img_path'])]
    data = ImageLabelShards(str(tmp_path), 'kind', ['dog', 'cat'], pipeline=pipeline)
    assert len(data) == 4 and data.shard_sizes.tolist() == [2, 0, 2]
    found = [
        (
            int(item['inputs'][0, 0, 0]),
            item['data_samples'].gt_label.item(),
            item['data_samples'].gt_caption,
        ) for item in (data[number] for number in range(4))
    ]
    assert found == [(0, 1, 'cat'), (1, 0, 'dog'), (20, 0, 'dog'), (21, 1, 'cat')]
    assert data.metainfo['classes'] == ('dog', 'cat')
    assert data[3]['data_samples'].img_path == f'{tmp_path}/2.tar/021.png'
    sampler = TrainingSampler(data, seed=0)
    order = list(sampler)
    assert sorted(order) == [0, 1, 2, 3]
    sampler.go_on(0, 2)
    assert list(sampler)[:2] == order[2:]
    again = pickle.loads(pickle.dumps(data))
    assert again[2]['data_samples'].gt_label.item() == 0
    with pytest.raises(AnnotationError, match="no sample's 'kind' is one of the 1 classes, ox2"):
        ImageLabelShards(str(tmp_path), 'kind', ['ox2'])


@pytest.mark.parametrize('num_workers', [0, 2])
def test_loaded_by_workers(tmp_path, num_workers):
    data = ImageTextShards(str(make_shards(tmp_path)), PIPELINE)
    data[0]  # a file that is open before the workers are there
    loader = DataLoader(
        data,
        2,
        sampler=TrainingSampler(data, seed=0, window=4),
        num_workers=num_workers,
        collate_fn=pseudo_collate,
    )
    seen = [
        (int(image[0, 0, 0]), sample.gt_caption)
        for batch in loader
        for image, sample in zip(batch['inputs'], batch['data_samples'])
    ]
    assert sorted(seen) == [(i, f'thing {i}') for i in range(9)]
    copy = pickle.loads(pickle.dumps(SeededDataset(data)))
    assert shown(copy[8]) == (8, 'thing 8') and copy.shard_sizes.tolist() == [3, 4, 2]


def test_named_by_braces_wildcards_and_lists(tmp_path):
    make_shards(tmp_path / 'a')
    make_shards(tmp_path / 'b')
    of_a = [str(tmp_path / 'a' / f'{i:05d}.tar') for i in range(3)]
    assert expand(str(tmp_path / 'a')) == of_a
    assert expand(str(tmp_path / 'a' / '{00000..00002}.tar')) == of_a
    assert expand(str(tmp_path / 'a' / '0000?.tar')) == of_a
    assert expand(tmp_path / 'a' / '{00002,00000}.tar') == [of_a[2], of_a[0]]
    both = expand([str(tmp_path / '{a,b}' / '{00000..00001}.tar')])
    assert len(both) == 4 and both[0] == of_a[0] and both[3].endswith('b/00001.tar')
    assert expand('http://x/{8..10}.tar') == [f'http://x/{i}.tar' for i in (8, 9, 10)]
    for wrong, message in (
        (tmp_path / 'c.tar', 'c.tar does not exist'),
        (str(tmp_path / 'c*.tar'), 'no such file'),
        (str(tmp_path), 'no such file'),
        ([], 'none are named'),
        ([of_a[0], of_a[0]], 'named 2 times'),
        ('s3://x/0.tar', 'use a local path'),
    ):
        with pytest.raises(AnnotationError, match=message):
            expand(wrong)


def faulty_members():
    good = json.dumps(dict(caption='good')).encode()
    return [
        ('0.png', encoded(0)), ('0.json', good),
        ('1.png', encoded(1)), ('1.json', b'{"caption": "x"'),
        ('2.png', encoded(2)), ('2.json', b'[1]'),
        ('3.png', encoded(3)), ('3.json', b'{"text": "x"}'),
        ('4.png', encoded(4)),
        ('5.png', encoded(5)), ('5.json', b'{"caption": " \\u200b"}'),
        ('6.png', b'no image'), ('6.json', good),
        ('7.json', good),
        ('8.png', encoded(8)), ('8.json', b'{"caption": 8}'),
        ('9.png', encoded(9)), ('9.json', good),
    ]  # yapf: disable


def test_faults_are_skipped_counted_and_named(tmp_path):
    write_tar(tmp_path / 'x.tar', faulty_members())
    data = ImageTextShards(str(tmp_path / 'x.tar'), PIPELINE, max_unreadable=0.9)
    assert len(data) == 9 and data.shard_faults == [('no image', f'{tmp_path}/x.tar/7')]
    loader = DataLoader(data, 3, num_workers=2, collate_fn=pseudo_collate)
    captions = [s.gt_caption for batch in loader for s in batch['data_samples']]
    assert captions == ['good'] * 9
    faults = data.fault_log.faults()
    first = {data.fault_place(*item) for item in faults.items}
    for number, kind in (
        (1, 'invalid JSON'), (2, 'invalid JSON'), (3, 'missing caption'), (4, 'missing caption'),
        (5, 'empty caption'), (6, 'unreadable image'), (8, 'missing caption'),
    ):  # yapf: disable
        assert f'{tmp_path}/x.tar/{number}.png ({kind})' in first
    assert len(first) == 7 and faults.total >= 7 and faults.visits == 9
    report = data.fault_report(faults)
    assert f'x.tar: {faults.total} of ' in report and ' items could not be read' in report
    assert 'invalid JSON' in report and f'of the shards: {tmp_path}/x.tar/7 (no image)' in report
    data.max_unreadable = 0.01
    with pytest.raises(UnreadableImageError, match='the limit, max_unreadable'):
        data.check_faults(faults)
    with pytest.raises(AnnotationError, match=r'x.tar: 9 samples .*x.tar/7 \(no image\)'):
        ImageTextShards(str(tmp_path / 'x.tar'), PIPELINE, test_mode=True)
    write_tar(tmp_path / 'x.tar', faulty_members()[:9])
    tested = ImageTextShards(str(tmp_path / 'x.tar'), PIPELINE, test_mode=True)
    with pytest.raises(UnreadableImageError, match=r'x.tar/1.png: invalid JSON \(.*column'):
        tested[1]


def test_faults_of_each_shard_are_named(tmp_path):
    """Though one of them has more than a message names."""
    bad = [(f'{i}.{part}', b'x') for i in range(20) for part in ('png', 'txt')]
    paths = [tmp_path / f'{name}.tar' for name in 'xyz']
    for path in paths:
        write_tar(path, bad)
    data = ImageTextShards(list(map(str, paths)), PIPELINE, max_unreadable=1)
    for item in (*range(12), 20, 40):
        data.fault_log.note_fault(item, 'unreadable image')
    report = data.fault_report(data.fault_log.faults())
    assert all(f'{name}.tar/0.png (unreadable image)' in report for name in 'xyz')
    assert report.count('(unreadable image)') == 10 and '14 of 14 items' in report


def test_a_shard_that_is_emptied_while_it_is_used(tmp_path):
    paths = [tmp_path / f'{name}.tar' for name in 'xy']
    for path in paths:
        write_tar(path, [('0.png', encoded(0)), ('0.txt', b'thing')])
    data = ImageTextShards(list(map(str, paths)), PIPELINE)
    paths[1].write_bytes(b'')
    assert data[1]['data_samples'].gt_caption == 'thing'  # of the other
    faults = data.fault_log.faults()
    assert faults.counts['unreadable shard'] >= 1
    assert 'y.tar' in data.fault_report(faults)


def test_a_sample_without_image_costs_itself_alone(tmp_path):
    """Also in a shard that is shorter than the others."""
    make_shards(tmp_path, (150, 20))
    members = [(f'{i}.txt', b'thing') for i in (0, 1)] + [('1.png', encoded(1))]
    write_tar(tmp_path / '00002.tar', members)
    data = ImageTextShards(str(tmp_path), PIPELINE)
    assert len(data) == 171 and data.shard_faults == [('no image', f'{tmp_path}/00002.tar/0')]


def test_two_archives_in_a_file_are_a_fault(tmp_path):
    first, second = make_shards(tmp_path, (3, 3)).glob('*.tar')
    second.write_bytes(second.read_bytes() + first.read_bytes())
    data = ImageTextShards(str(second), PIPELINE, max_unreadable=1)
    (kind, place), = data.shard_faults
    assert kind == 'broken shard' and 'another archive behind the end' in place and len(data) == 3


def test_byte_order_marks_are_no_text(tmp_path):
    (tmp_path / 'classes.txt').write_text('cat\ndog\n', encoding='utf-8-sig')
    mark = '\ufeff'.encode()
    members = [('0.png', encoded(0)), ('0.txt', mark + b'cat')]
    members += [('1.png', encoded(1)), ('1.json', mark + b'{"caption": "dog", "kind": "cat"}')]
    write_tar(tmp_path / 'x.tar', members)
    data = ImageTextShards(str(tmp_path / 'x.tar'), PIPELINE)
    assert [shown(data[number]) for number in (0, 1)] == [(0, 'cat'), (1, 'dog')]
    labels = ImageLabelShards(str(tmp_path / 'x.tar'), 'kind', str(tmp_path / 'classes.txt'))
    assert len(labels) == 1 and labels.metainfo['classes'] == ('cat', 'dog')


def test_a_text_in_another_encoding_is_a_fault(tmp_path):
    write_tar(tmp_path / 'x.tar', [('0.png', encoded(0)), ('0.txt', 'caf\u00e9'.encode('latin-1'))])
    data = ImageTextShards(str(tmp_path / 'x.tar'), PIPELINE)
    with pytest.raises(Fault, match='x.tar/0.png: text not in UTF-8'):
        data.prepare_data(0)


def test_caption_keys_that_fit_nothing(tmp_path, monkeypatch):
    members = [('0.png', encoded(0)), ('0.json', b'{"caption": "thing", "alias": "it"}')]
    write_tar(tmp_path / 'x.tar', members)
    path = str(tmp_path / 'x.tar')
    logged = []
    monkeypatch.setattr(image_text_shards, 'print_log', lambda text, *_: logged.append(text))
    ImageTextShards(path, PIPELINE, dict(caption=3, aliases=1))
    assert "none of the first 1 samples has the caption_key 'aliases'" in logged[-1]
    with pytest.raises(Fault, match='no text, but caption, alias'):
        ImageTextShards(path, PIPELINE, 'text').prepare_data(0)
    for wrong in (['caption'], 3):
        with pytest.raises(SettingError, match='caption_key=.*: use a key'):
            ImageTextShards(path, PIPELINE, wrong)
    for wrong in (dict(max_unreadable='1%'), dict(max_unreadable=2), dict(cache_gib=-1)):
        with pytest.raises(SettingError, match=f'{next(iter(wrong))}='):
            ImageTextShards(path, PIPELINE, **wrong)


def test_folders_and_wildcards_are_local(tmp_path):
    for name in ('http://host.example/pairs', 'https://host.example/*.tar'):
        with pytest.raises(AnnotationError, match='name each .tar of a web server'):
            ImageTextShards(name)


def test_nothing_to_read_ends(tmp_path):
    write_tar(tmp_path / 'x.tar', [('0.png', b'x'), ('0.txt', b'x')])
    with pytest.raises(UnreadableImageError, match='1000 samples in a row.*x.tar/0.png'):
        ImageTextShards(str(tmp_path / 'x.tar'), PIPELINE)[0]
    write_tar(tmp_path / 'y.tar', [('0.txt', b'x')])
    with pytest.raises(AnnotationError, match='y.tar: 0 samples .*y.tar/0 .no image'):
        ImageTextShards(str(tmp_path / 'y.tar'), PIPELINE)
    (tmp_path / 'z.tar').write_bytes(b'no tar at all' * 100)
    with pytest.raises(AnnotationError, match='z.tar: 0 samples .*broken shard'):
        ImageTextShards(str(tmp_path / 'z.tar'), PIPELINE)


def test_a_shard_cut_anywhere(tmp_path):
    """What is whole before the cut is read, and the cut is told."""
    whole = make_shards(tmp_path / 'whole', (4, )) / '00000.tar'
    content = whole.read_bytes()
    with tarfile.open(whole) as archive:
        ends = [m.offset_data + 512 * -(-m.size // 512) for m in archive if m.name[-4:] == 'json']
    path = tmp_path / 'cut.tar'
    for size in range(256, ends[-1] + 1, 256):
        path.write_bytes(content[:size])
        index_path(path).unlink(missing_ok=True)
        num_whole = sum(end <= size for end in ends)
        try:
            data = ImageTextShards(str(path), PIPELINE)
        except AnnotationError as error:
            assert num_whole == 0 and 'broken shard' in str(error)
            continue
        captions = []
        for number in range(len(data)):
            try:
                captions.append(data.prepare_data(number)['data_samples'].gt_caption)
            except Exception as error:
                assert 'missing caption' in str(error)  # of the last, whose JSON is cut off
        assert captions == [f'thing {i}' for i in range(len(captions))]
        assert len(captions) == num_whole
        assert [kind for kind, _ in data.shard_faults] == ['broken shard']


@pytest.mark.parametrize('field', [124, 345])
def test_headers_that_lead_nowhere(tmp_path, field):
    """A negative size, and a number that is none."""
    path = make_shards(tmp_path, (4, )) / '00000.tar'
    content = bytearray(path.read_bytes())
    with tarfile.open(path) as archive:
        start = archive.getmember('002.png').offset
    content[start + 124:start + 136] = b'\xff' * 12 if field == 124 else b'99zz\0' + bytes(7)
    checksum = sum(content[start:start + 148]) + 8 * 32 + sum(content[start + 156:start + 512])
    content[start + 148:start + 156] = f'{checksum:06o}\0 '.encode()
    path.write_bytes(content)
    index_path(path).unlink()
    data = ImageTextShards(str(path), PIPELINE)
    assert len(data) == 2 and data.shard_faults[0][0] == 'broken shard'


def test_a_damaged_header_ends_a_shard(tmp_path):
    path = make_shards(tmp_path, (4, )) / '00000.tar'
    content = bytearray(path.read_bytes())
    with tarfile.open(path) as archive:
        start = archive.getmember('002.png').offset
    content[start:start + 8] = b'damaged!'
    path.write_bytes(content)
    index_path(path).unlink()
    data = ImageTextShards(str(path), PIPELINE)
    assert len(data) == 2 and data.shard_faults[0][0] == 'broken shard'
    assert f'byte {start}' in data.shard_faults[0][1]


class Attack:
    succeeded = []

    def __reduce__(self):
        return Attack.succeeded.append, (True, )


def test_the_index_is_kept_and_made_anew_when_the_shard_changes(tmp_path):
    path = make_shards(tmp_path, (3, )) / '00000.tar'
    index = index_path(path)
    assert index.is_file()
    before = index.stat().st_mtime_ns
    assert len(ImageTextShards(str(path))) == 3 and index.stat().st_mtime_ns == before
    attack = io.BytesIO()
    np.savez(attack, samples=np.array([Attack()]), faults=np.zeros((0, 2)), state=np.array([1, 1]))
    version = index.read_bytes().replace(b'PK\1\2\x14\0\x14\0', b'PK\1\2\x14\0\xc8\0')
    for damage in (b'', b'PK\3\4 no index', attack.getvalue(), version):
        index.write_bytes(damage)
        assert len(ImageTextShards(str(path))) == 3
    assert not Attack.succeeded
    state = path.stat()
    other = path.read_bytes().replace(b'thing 0', b'thing 9')
    path.write_bytes(other)
    assert path.stat().st_size == state.st_size
    assert ImageTextShards(str(path))[0]['gt_caption'] == 'thing 9'
    assert index.stat().st_mtime_ns > before


def test_no_index_where_the_folder_does_not_let_it(tmp_path, monkeypatch):
    path = make_shards(tmp_path, (3, )) / '00000.tar'
    index_path(path).unlink()

    def refuse(*args):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr('mmcoca.datasets.shards.tar_index.write_index', refuse)
    data = ImageTextShards(str(path), PIPELINE)
    assert shown(data[2]) == (2, 'thing 2') and not index_path(path).exists()


def test_written_to_the_byte(tmp_path):
    one, two = make_shards(tmp_path / 'a'), make_shards(tmp_path / 'b')
    for path in sorted(one.glob('*.tar')):
        assert path.read_bytes() == (two / path.name).read_bytes(), path.name

    def broken():
        yield ShardSample('0', b'', '.png', {})
        raise OSError('disk full')

    with pytest.raises(OSError):
        write_shard(tmp_path / 'c' / '0.tar', broken())
    assert not list((tmp_path / 'c').iterdir())


class CountingHandler(SimpleHTTPRequestHandler):
    requests: list = []

    def do_GET(self):
        self.requests.append(self.path)
        super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    """Address of a folder, 'served', on a web server, and what it was asked for."""
    (tmp_path / 'served').mkdir()
    CountingHandler.requests = []
    handler = partial(CountingHandler, directory=str(tmp_path / 'served'))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{http.server_port}', CountingHandler.requests
        http.shutdown()


def test_remote_shards_are_fetched_once(tmp_path, server):
    url, requests = server
    make_shards(tmp_path / 'served')
    options = dict(pipeline=PIPELINE, cache_dir=str(tmp_path / 'cache'))
    data = ImageTextShards(url + '/{00000..00002}.tar?token=1', **options)
    assert [shown(data[i]) for i in range(9)] == [(i, f'thing {i}') for i in range(9)]
    again = ImageTextShards(url + '/{00000..00002}.tar?token=1', **options)
    assert shown(again[8]) == (8, 'thing 8')
    assert sorted(requests) == [f'/0000{i}.tar?token=1' for i in range(3)]
    assert data[0]['data_samples'].img_path.startswith(url)


def test_the_cache_stays_below_its_size(tmp_path, server):
    url, requests = server
    make_shards(tmp_path / 'served', (3, 3, 3, 3))
    size = (tmp_path / 'served' / '00000.tar').stat().st_size
    cache = ShardCache(tmp_path / 'cache', max_bytes=2 * size)
    names = [f'{url}/0000{i}.tar' for i in range(4)]
    for used, name in enumerate((*names, names[3], names[0])):
        assert cache.path_of(name).stat().st_size == size
        path = cache.path_of(name)
        os.utime(path, (used, path.stat().st_mtime))  # as if a second had passed
        copies = list((tmp_path / 'cache').glob('*.tar'))
        assert len(copies) <= 2
    assert [path[-5] for path in requests] == ['0', '1', '2', '3', '0']
    # A data set larger than its cache is read all the same.
    options = dict(pipeline=PIPELINE, cache_dir=str(tmp_path / 'small'), cache_gib=1e-6)
    data = ImageTextShards(names, **options)
    assert [shown(data[i])[0] for i in range(12)] == list(range(12))


def read_all(names, cache_dir, number):
    """In a process of its own: each sample, in another order."""
    init_default_scope('mmpretrain')
    data = ImageTextShards(names, PIPELINE, cache_dir=cache_dir, cache_gib=1e-6)
    order = list(range(len(data)))[::number]
    assert [shown(data[i])[0] for i in order] == order


def test_processes_share_a_cache_that_is_too_small(tmp_path, server):
    url, _ = server
    make_shards(tmp_path / 'served', (3, ) * 6)
    names = [f'{url}/0000{i}.tar' for i in range(6)]
    jobs = [
        CONTEXT.Process(target=read_all, args=(names, str(tmp_path / 'cache'), number))
        for number in (1, -1)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
        assert job.exitcode == 0
    assert len(list((tmp_path / 'cache').glob('[0-9a-f]*.tar'))) == 1


def test_what_else_lies_in_the_cache_stays(tmp_path, server):
    url, _ = server
    make_shards(tmp_path / 'served')
    (tmp_path / 'cache' / 'folder').mkdir(parents=True)
    (tmp_path / 'cache' / 'mine.tar').write_bytes(bytes(10**6))
    ImageTextShards(f'{url}/00000.tar', cache_dir=str(tmp_path / 'cache'), cache_gib=1e-6)
    assert (tmp_path / 'cache' / 'mine.tar').is_file() and (tmp_path / 'cache' / 'folder').is_dir()


def test_remote_faults(tmp_path, server):
    url, _ = server
    make_shards(tmp_path / 'served')
    options = dict(pipeline=PIPELINE, cache_dir=str(tmp_path / 'cache'))
    names = [f'{url}/00000.tar', f'{url}/absent.tar']
    with pytest.raises(AnnotationError, match='about 3 samples are missing .*1.00%'):
        ImageTextShards(names, **options)
    data = ImageTextShards(names, max_unreadable=0.5, **options)
    assert len(data) == 3
    ((kind, place), ) = data.shard_faults
    assert kind == 'unreadable shard' and 'absent.tar' in place and '404' in place
    with pytest.raises(AnnotationError, match='refused|cannot be had'):
        ImageTextShards('http://127.0.0.1:9/0.tar', **options)


def test_a_shard_that_vanishes_is_a_fault(tmp_path):
    data = ImageTextShards(str(make_shards(tmp_path)), PIPELINE)
    (tmp_path / '00001.tar').unlink()
    item = data[4]
    assert shown(item)[0] not in range(3, 7)
    assert data.fault_log.faults().counts['unreadable shard'] >= 1

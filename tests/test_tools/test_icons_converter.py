# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The converter of icons: its captions and twins, and a small package as npm packs it."""

import base64
import errno
import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from tokenizers import Tokenizer

from mmcoca.datasets import ImageTextShards

CONVERTERS = Path(__file__).parents[2] / 'tools' / 'dataset_converters'
sys.path.insert(0, str(CONVERTERS))

import icon_sets  # noqa: E402
import whole_folders  # noqa: E402
from icon_brands import Brands  # noqa: E402
from icon_captions import (  # noqa: E402
    Words,
    aliases_of,
    caption_of,
    english_words,
    habits_of,
    topic_of,
)
from icon_sets import IconSet, size_and_style  # noqa: E402
from icon_twins import NEAR_SAME, TWINS, distinct, highest_correlations, signature  # noqa: E402

TOOL = 'dataset_converters/icons.py'
FREQUENT = 'arrow left right align circle down user group chat bubble bring to front'.split()

# Captions


@pytest.fixture(scope='module')
def known():
    """English words, and some that many sets have."""
    return Words({word: 50 for word in FREQUENT} | {'earmark': 6}, english_words())


@pytest.mark.parametrize(
    'name, caption',
    [
        ('arrow-left-20-filled', 'arrow left'),
        ('baseline-zoom-in', 'zoom in'),
        ('bell-bold-duotone', 'bell'),
        ('star-filled-circle', 'star circle'),
        ('traffic-light-bold', 'traffic light'),
        ('music-note-sharp', 'music note sharp'),
        ('outline', 'outline'),
        ('bell-24px', 'bell'),
        ('user-02', 'user'),
        ('user-02-star', 'user star'),
        ('globe-3', 'globe'),
        ('dice-6', 'dice 6'),
        ('number-circle-7', 'number circle 7'),
        ('sort-alpha-down-alt', 'sort alpha down'),
        ('alignleft', 'align left'),
        ('chatbubble', 'chat bubble'),
        ('bringtofront', 'bring to front'),
        ('compass2', 'compass'),
        ('carpet', 'carpet'),
        ('file-earmark', 'file earmark'),
        ('file-s-q-l', 'file sql'),
        ('elevator-elevator-up', 'elevator up'),
        ('kusarigama', 'kusarigama'),
        ('x', ''),
        ('24mp', ''),
        ('u1fae4', ''),
        ('hnsw', ''),
        ('2-0-1', ''),
    ],
)
def test_captions(name, caption, known):
    suffixes = ['', '20-filled', '24-filled', 'light', 'bold', 'bold-duotone']
    habits = habits_of([name], ['baseline'], suffixes, known)._replace(glues=False)
    assert caption_of(name, habits, known) == caption


def test_habits_that_the_names_show(known):
    names = [f'{thing}-line' for thing in ('bell', 'cup', 'dog', 'cat', 'hat') * 3]
    names += ['chart-line-line', 'chart-line-filled', 'bell-two', 'two-cups']
    habits = habits_of(names, [], [], known)
    assert habits.suffixes == {('line', )}
    captions = [caption_of(name, habits, known) for name in names[-4:]]
    assert captions == ['chart', 'chart line', 'bell two', 'two cups']
    habits = habits_of(names + ['box-one'] * 5 + ['box-two'] * 5, [], [], known)
    assert caption_of('bell-two', habits, known) == 'bell'


def test_unknown_words_of_a_set_that_glues(known):
    names = ['alignleft', 'alignright', 'chatbubble', 'usergroup', 'wetfloorz']
    habits = habits_of(names, [], [], known)
    assert habits.glues
    assert [caption_of(name, habits, known)
            for name in names[2:]] == ['chat bubble', 'user group', '']


def test_aliases_and_topics(known):
    habits = habits_of(['bell'], [], [], known)
    names = ['notification', 'bell-outline', 'alarm-2', 'alarm', 'f04d', 'xqzq-bell']
    names.append('one-two-three-four-five-six-seven')
    assert aliases_of(names, 'bell', habits, known) == ['alarm', 'notification']
    topics = {name: topic_of(name) for name in ('FoodDrink', 'Audio & Video', 'Account / User')}
    assert list(topics.values()) == ['food drink', 'audio and video', 'account user']
    assert topic_of('General') == ''


def test_logos():
    brands = Brands([['facebook', 'apple', 'google'], ['facebook-f', 'logo-google']] * 10)
    logos = ['facebook', 'facebook-square-outline', 'google-drive', 'brand-tabler', 'zeit-logo']
    assert all(map(brands.has, logos))
    assert not any(map(brands.has, ['apple', 'apple-pie', 'logout', 'book-face']))


def test_sizes_and_line_widths():
    thin = {'thin', 'regular', 'bold'}
    assert size_and_style('20-filled', set()) == (20, 'filled')
    assert size_and_style('outline-24px', set()) == (24, 'outline')
    assert size_and_style('duotone-bold', thin) == (24, 'duotone')
    sized = IconSet('a', dict(suffixes=['16-filled', '20-filled', '20-regular', '48-regular']))
    names = ['cup-16-filled', 'cup-20-filled', 'cup-20-regular', 'cup-48-regular', 'cup-20']
    assert sized.without_other_sizes(names) == ['cup-20-filled', 'cup-20-regular', 'cup-20']
    lines = IconSet('b', dict(suffixes=['', 'thin', 'bold', 'fill']))
    assert lines.without_other_sizes(['cup-bold', 'cup', 'cup-thin',
                                      'cup-fill']) == ['cup', 'cup-fill']
    filled = IconSet('c', dict(suffixes=['linear', 'bold']))
    assert filled.without_other_sizes(['cup-bold', 'cup-linear']) == ['cup-bold', 'cup-linear']


# Twins


def arrow(size=64, scale=1.0, width=4, shift=(0, 0), turned=False):
    """A picture of an arrow."""
    image = Image.new('L', (size, size), 255)
    points = np.array([[10, 32], [50, 32], [36, 18], [50, 32], [36, 46]], float)
    points = (points[:, ::-1] if turned else points) * scale + shift
    ImageDraw.Draw(image).line([tuple(p) for p in points], fill=0, width=width, joint='curve')
    return image


def test_twins_differ_in_size_place_and_line_width_alone():
    same = [
        arrow(width=7),
        arrow(width=2),
        arrow(scale=0.7),
        arrow(scale=0.6, width=3, shift=(5, 20)),
        arrow(size=128, scale=2, width=8)
    ]
    ring = Image.new('L', (64, 64), 255)
    ImageDraw.Draw(ring).ellipse((8, 8, 56, 56), outline=0, width=4)
    other = [arrow(turned=True), ring, Image.new('L', (64, 64), 255)]
    among = signature(arrow())[None]
    assert (highest_correlations(np.stack([*map(signature, same)]), among) > TWINS).all()
    assert (highest_correlations(np.stack([*map(signature, other)]), among) < 0.6).all()


def test_correlations_are_those_of_each_pair():
    random = np.random.default_rng(0)
    rows = random.normal(size=(7, 256))
    rows -= rows.mean(1, keepdims=True)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    among = rows[:3] + np.float16(0.01)
    expected = [max(np.corrcoef(row, other)[0, 1] for other in among) for row in rows]
    np.testing.assert_allclose(highest_correlations(rows, among), expected, atol=0.02)
    assert highest_correlations(rows[:0], among).shape == (0, )
    close = rows[2] + random.normal(scale=0.003, size=256).astype(np.float16)
    assert np.corrcoef(rows[2], close)[0, 1] > NEAR_SAME
    assert distinct(np.stack([*rows, rows[0], close])) == list(range(7))


# The package

HOUSE = '<path d="M4 12 12 4l8 8v8H4z" fill="none" stroke="currentColor" stroke-width="WIDTH"/>'
DOT = '<circle cx="X" cy="Y" r="4" fill="COLOUR"/>'
BAR = '<rect x="2" y="Y" width="20" height="4" fill="COLOUR"/>'


def body(text, **values):
    for name, value in values.items():
        text = text.replace(name, str(value))
    return dict(body=text)


def dots(*places, colour='currentColor'):
    return dict(body=''.join(body(DOT, X=x, Y=y, COLOUR=colour)['body'] for x, y in places))


def icon_set(author, icons, license='MIT', category='General', palette=False, **more):
    info = dict(
        name=f'Icons by {author}',
        author=dict(name=author, url=f'https://{author}.example'),
        license=dict(title=f'The {license} licence', spdx=license, url='https://license.example'),
        category=category,
        palette=palette,
    )
    return dict(info=info, icons=icons, width=24, height=24, **more)


SETS = {
    'ph': icon_set(
        'phosphor',
        {
            'house-bold': body(HOUSE, WIDTH=3),
            'house': body(HOUSE, WIDTH=1.5),
            'facebook-logo': dots((4, 4)),
            'two-dots': dots((4, 4), (20, 20)),
        },
        suffixes={'': 'Regular', 'bold': 'Bold'},
    ),
    'game-icons': icon_set('many', {'long-sword': body(BAR, Y=3, COLOUR='currentColor')}),
    'flat-color-icons': icon_set(
        'icons8', {'red-bar': body(BAR, Y=3, COLOUR='red')}, palette=True
    ),
    'lucide': icon_set('lucide', {'ring': dots((4, 20), (20, 4))}),
    'marketeq': icon_set('marketeq', {'cup': body(BAR, Y=10, COLOUR='blue')}, palette=True),
    'lucide-lab': icon_set('lucide', {'anchor': dots((4, 4), (4, 20), (20, 4))}),
    'mine': icon_set(
        'me',
        {
            'home': body(HOUSE.replace('4 12', '8 14').replace('l8 8v8', 'l4 4v4')
                         .replace('12 4', '12 10').replace('H4', 'H8'), WIDTH=1),
            'left-bell-16': dots((4, 4), (10, 10)),
            'left-bell-24': dots((4, 4), (12, 12)),
            'right-bell-24': dots((20, 4), (12, 12), (12, 20)),
            'right-bell-alt-24': dots((20, 4), (12, 12), (12, 20)),
            'brand-github-24': dots((4, 12), (12, 12)),
            'snake-24': dots((4, 12), (20, 20)),
            'h-24': dots((4, 12), (12, 12)),
            'space-24': dict(body='<g/>'),
            'gone-24': dict(body='<circle r="9"/>', hidden=True),
            'moving-24': dict(body='<circle r="0"><animate attributeName="r" to="9"/></circle>'),
        },
        suffixes={'16': '16px', '24': '24px'},
        aliases={
            'notification-left': dict(parent='left-bell-24'),
            'left-bell-old-24': dict(parent='left-bell-24', hidden=True),
            'turned-bell': dict(parent='left-bell-24', rotate=1),
        },
        categories={
            'FoodDrink': ['left-bell-24', 'home'],
            'General': ['left-bell-24'],
            'Brand logos': ['snake-24'],
        },
    ),
    'yours': icon_set(
        'you',
        {'green-dots': dots((4, 4), (20, 12), colour='green')},
        license='CC-BY-4.0',
        palette=True,
    ),
    'alike': icon_set('a', {'cup': dots((4, 4))}, license='CC-BY-SA-4.0'),
    'unsold': icon_set('b', {'cup': dots((4, 4))}, license='CC-BY-NC-4.0'),
    'copyleft': icon_set('c', {'cup': dots((4, 4))}, license='GPL-2.0-or-later'),
    'mozilla': icon_set('d', {'cup': dots((4, 4))}, license='MPL-2.0'),
    'faces': icon_set('e', {'grin': dots((4, 4))}, category='Emoji'),
    'old-emoji': icon_set('f', {'grin': dots((4, 4))}),
    'firms': icon_set('g', {'cup': dots((4, 4))}, category='Logos'),
    'lands': icon_set('h', {'cup': dots((4, 4))}, category='Flags / Maps'),
}  # yapf: disable


@pytest.fixture(scope='module')
def tarball(tmp_path_factory):
    """A package of small sets, which the converter takes for the pinned one."""
    path = tmp_path_factory.mktemp('npm') / icon_sets.PACKAGE.tarball
    with tarfile.open(path, 'w:gz') as archive:
        for prefix, content in {**SETS, 'readme': None}.items():
            data = json.dumps(dict(content or {}, prefix=prefix)).encode()
            member = tarfile.TarInfo(f'package/{"json/" if content else ""}{prefix}.json')
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(icon_sets, 'PACKAGE', icon_sets.PACKAGE._replace(sha512=digest))
        yield path


@pytest.fixture(scope='module')
def converted(tarball, run_tool, tmp_path_factory):
    """The folder that the converter makes, and what it says."""
    out = tmp_path_factory.mktemp('data') / 'icons'
    done = run_tool(TOOL, '--out', out, '--npm-dir', tarball.parent)
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def content_of(folder):
    """All files but the shards' indexes, which tell of the file, too."""
    return {
        p.relative_to(folder): p.read_bytes()
        for p in folder.rglob('*.*')
        if p.suffix != '.npz'
    }


def test_training_drawings(converted):
    out, _ = converted
    shards = ImageTextShards(str(out / 'train' / '*.tar'), caption_key=dict(caption=1))
    records, modes = {}, {}
    with tarfile.open(out / 'train' / '00000.tar') as archive:
        for member in archive:
            key, ending = member.name.split('.')
            if ending == 'json':
                records[key] = json.load(archive.extractfile(member))
            else:
                with Image.open(archive.extractfile(member)) as image:
                    modes[key] = image.mode
                    assert image.size == (64, 64) and np.ptp(np.asarray(image)) > 100
    assert len(shards) == len(records) == 3 and sorted(records) == ['000000', '000001', '000002']
    by_name = {record['name']: record for record in records.values()}
    assert by_name == {
        'left-bell-24':
        dict(
            caption='left bell',
            aliases=['left bell old', 'notification left'],
            categories=['food drink'],
            designer='mine',
            name='left-bell-24',
        ),
        'right-bell-24':
        dict(caption='right bell', designer='mine', name='right-bell-24'),
        'green-dots':
        dict(caption='green dots', designer='yours', name='green-dots'),
    }
    assert {records[key]['name'] for key, mode in modes.items() if mode == 'RGB'} == {'green-dots'}


def test_held_out_drawings(converted):
    out, _ = converted
    found = {}
    for path in sorted((out / 'annotations').glob('*.json')):
        content = json.loads(path.read_text())
        found[path.stem] = [a['caption'] for a in content['annotations']]
        for image, annotation in zip(content['images'], content['annotations'], strict=True):
            assert image['id'] == annotation['image_id']
            assert content['licenses'][0]['name'] == 'The MIT licence'
            with Image.open(out / 'images' / image['file_name']) as drawing:
                assert drawing.size == (image['width'], image['height']) == (64, 64)
    assert found == {
        'dev_lucide': ['ring'],
        'dev_marketeq': ['cup'],
        'test_flat-color-icons': ['red bar'],
        'test_game-icons': ['long sword'],
        'test_ph': ['house', 'two dots'],
    }
    names = {path.relative_to(out / 'images').as_posix() for path in out.rglob('images/*/*.png')}
    assert 'ph/house.png' in names and len(names) == 6


def test_what_is_beside_the_data(converted):
    out, printed = converted
    manifest = json.loads((out / 'manifest.json').read_text())
    assert manifest['drawings']['train'] == 3 and manifest['training_designers'] == 2
    assert manifest['left_out'] == dict(
        logos=3,
        other_sizes=1,
        no_words=1,
        other_styles=1,
        nothing_drawn=1,
        near_same=1,
        twins=1,
    )
    assert 'Wrote 3 drawings by 2 designers in 1 shards' in printed and 'twins 1' in printed
    for name, expected in manifest['sha256'].items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == expected
    assert 'train/00000.tar' in manifest['sha256'] and 'licenses.json' in manifest['sha256']
    text = (out / 'ATTRIBUTION.md').read_text()
    for words in (
        '## Icons by you (yours)', 'The CC-BY-4.0 licence, https://license.example',
        'Drawings: 1, in `train`', 'Drawings: 2, in `images/ph`', 'https://you.example'
    ):
        assert words in text
    licenses = json.loads((out / 'licenses.json').read_text())
    assert set(licenses) == {*icon_sets.HELD_OUT, 'mine', 'yours'}
    assert licenses['yours']['license']['spdx'] == 'CC-BY-4.0'
    names = (out / 'annotations' / 'names.txt').read_text().splitlines()
    assert names == ['green dots', 'left bell', 'right bell']
    tokenizer = Tokenizer.from_file(str(out / 'tokenizer.json'))
    assert tokenizer.decode(tokenizer.encode('left bell').ids) == ' left bell'


def test_the_same_bytes_twice_and_a_second_call(converted, tarball, run_tool, tmp_path):
    out, _ = converted
    arguments = ['--npm-dir', tarball.parent]
    assert run_tool(TOOL, '--out', tmp_path / 'again', *arguments).returncode == 0
    assert content_of(tmp_path / 'again') == content_of(out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob('*')}
    done = run_tool(TOOL, '--out', out, *arguments)
    assert done.returncode == 0 and done.stdout == f'{out} is already complete\n'
    assert {path: path.stat().st_mtime_ns for path in out.rglob('*')} == before


def test_mistakes_leave_nothing(converted, tarball, run_tool, tmp_path, monkeypatch):
    damaged, mine = tmp_path / 'damaged', tmp_path / 'mine'
    damaged.mkdir()
    mine.mkdir()
    (damaged / tarball.name).write_bytes(tarball.read_bytes()[:-9])
    (mine / 'file').write_text('mine')
    new = tmp_path / 'data' / 'icons'
    for arguments, message in (
        (['--out', new, '--npm-dir', damaged], 'is damaged or not the pinned package'),
        (['--out', new, '--npm-dir', mine], f'{tarball.name} is missing'),
        (['--out', mine, '--npm-dir', tarball.parent], 'exists and is no mmcoca icons'),
        (['--out', converted[0], '--size', 32], 'another value of size'),
    ):
        done = run_tool(TOOL, *arguments)
        assert done.returncode == 1 and message in done.stderr and done.stderr.count('\n') == 1
    with monkeypatch.context() as patch:
        patch.setenv('PATH', str(tmp_path))
        done = run_tool(TOOL, '--out', new)
    assert done.returncode == 1 and done.stderr.startswith('error: npm was not found')

    def full(*_, **__):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(whole_folders, 'write_json', full)
    done = run_tool(TOOL, '--out', new, '--npm-dir', tarball.parent)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].endswith('left on device')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['damaged', 'mine']
    assert [path.name for path in mine.iterdir()] == ['file']


def test_size_is_checked(run_tool, tmp_path):
    done = run_tool(TOOL, '--out', tmp_path / 'new', '--size', 8)
    assert done.returncode == 2 and '--size must be from 16 to 256, not 8' in done.stderr

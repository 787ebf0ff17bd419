# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The demo: its answers, and its page in a browser."""

import math
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mmcoca.apis import EmbeddingIndex, load_images, load_model
from mmcoca.apis.demo.__main__ import check_port, index_of, parse_args, source_of
from mmcoca.apis.demo.answers import Answers
from mmcoca.apis.demo.pictures import FolderPictures, ShardPictures
from mmcoca.datasets.shards import ShardSample, write_shard
from mmcoca.datasets.transforms import UnreadableImageError
from mmcoca.errors import UserError

try:
    from playwright.sync_api import TimeoutError as TIMEOUT
except ImportError:  # the tests that need it are skipped
    TIMEOUT = ()

HTML_NAME = '<img src=x onerror=alert(1)>.png'
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" onload="alert(2)">'
    '<script>alert(3)</script><circle cx="12" cy="12" r="9" fill="none" stroke="#000" '
    'stroke-width="2"/></svg>'
)


def polygon(number, start):
    return [
        (
            32 + 24 * math.cos(start + 2 * math.pi * i / number),
            32 + 24 * math.sin(start + 2 * math.pi * i / number)
        ) for i in range(number)
    ]


SHAPES = {
    'circle':
    lambda draw: draw.ellipse((8, 8, 56, 56), outline='black', width=5),
    'square':
    lambda draw: draw.rectangle((10, 10, 54, 54), outline='black', width=5),
    'triangle':
    lambda draw: draw.polygon(polygon(3, -math.pi / 2), outline='black', width=5),
    'minus':
    lambda draw: draw.line((8, 32, 56, 32), fill='black', width=6),
    'x':
    lambda draw:
    [draw.line(line, fill='black', width=6) for line in ((12, 12, 52, 52), (52, 12, 12, 52))],
    'heart':
    lambda draw: (
        draw.ellipse((8, 10, 34, 36), fill='black'), draw.ellipse((30, 10, 56, 36), fill='black'),
        draw.polygon([(9, 28), (55, 28), (32, 56)], fill='black')
    ),
}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('shapes')
    for name, shape in SHAPES.items():
        image = Image.new('RGB', (64, 64), 'white')
        shape(ImageDraw.Draw(image))
        image.save(folder / f'{name}.png')
    shutil.copy(folder / 'minus.png', folder / HTML_NAME)
    return folder


@pytest.fixture(scope='module')
def answers(folder):
    model = load_model('coca_small_icons', device='cpu')
    paths = sorted(folder.glob('*.png'))
    ((_, images, _), ) = load_images(model, paths)
    index = EmbeddingIndex(model.encode_image(images).detach(), [path.name for path in paths])
    return Answers(model, index, FolderPictures(str(folder)))


def names_of(found):
    return [title.rpartition(' · ')[0] for _, title in found]


def test_search_by_words_file_and_drawing(answers, folder):
    found = answers.search(' heart ', None, None, 3)
    assert len(found) == 3 and names_of(found)[0] == 'heart.png'
    np.testing.assert_array_equal(found[0][0], np.asarray(Image.open(folder / 'heart.png')))
    assert names_of(answers.search('', str(folder / 'circle.png'), None, 1)) == ['circle.png']
    drawing = np.asarray(Image.open(folder / 'x.png').resize((320, 320)))
    assert names_of(answers.search('', None, drawing, 1)) == ['x.png']
    both = answers.search('square', str(folder / 'circle.png'), None, 2)
    assert set(names_of(both)) == {'circle.png', 'square.png'}
    white = np.full((320, 320, 3), 255, np.uint8)
    with pytest.raises(UserError, match='Type words, choose a file, or draw'):
        answers.search('  ', None, white, 3)


def test_a_picture_that_has_gone_is_left_out(answers, folder, tmp_path):
    shutil.copytree(folder, tmp_path / 'shapes')
    (tmp_path / 'shapes' / 'heart.png').unlink()
    fewer = Answers(answers.model, answers.index, FolderPictures(str(tmp_path / 'shapes')))
    expected = names_of(answers.search('heart', None, None, 3))[1:]
    assert names_of(fewer.search('heart', None, None, 3)) == expected


def write_shapes(shard, folder, names):
    samples = [
        ShardSample(f'{i}', (folder / f'{name}.png').read_bytes(), '.png', dict(caption=name))
        for i, name in enumerate(names)
    ]
    write_shard(shard, samples)


def test_pictures_of_shards(folder, tmp_path):
    write_shapes(tmp_path / '0.tar', folder, ['heart', 'x'])
    pictures = ShardPictures(str(tmp_path))
    assert pictures.title('0.tar/1.png') == 'x'
    expected = np.asarray(Image.open(folder / 'x.png'))[..., ::-1]
    np.testing.assert_array_equal(pictures.picture('0.tar/1.png'), expected)


def test_pictures_of_shards_with_the_same_name(folder, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    for name in ('x', 'heart'):
        write_shapes(tmp_path / name / '0.tar', folder, [name])
    args = parse_args(['--shards', str(tmp_path / '{x,heart}')])
    pictures = ShardPictures(args.shards)
    names = index_of(args, pictures, 'mark').names
    assert names == ['x/0.tar/0.png', 'heart/0.tar/0.png']
    assert [pictures.title(name) for name in names] == ['x', 'heart']
    expected = np.asarray(Image.open(folder / 'x.png'))[..., ::-1]
    np.testing.assert_array_equal(pictures.picture(names[0]), expected)


def test_captions_and_classes(answers, folder):
    path = str(folder / 'heart.png')
    result = answers.caption(path)
    assert result.text == 'heart' and result.tokens[-1].text == '(end)'
    assert all(token.log_probability <= 0 for token in result.tokens)
    assert [word for _, word in result.needs] == ['heart']
    assert result.needs[0][0].shape == (192, 192, 3) and result.needs[0][0].dtype == np.uint8
    chances = answers.classify(path, 'circle, heart,, circle')
    assert list(chances) == ['circle', 'heart'] and chances['heart'] > chances['circle']
    assert sum(chances.values()) == pytest.approx(1)


def test_mistakes_are_told(answers, folder, tmp_path):
    (tmp_path / 'broken.png').write_bytes((folder / 'x.png').read_bytes()[:40])
    Image.new('1', (10000, 10000)).save(tmp_path / 'huge.png')
    for name, message in (('broken.png', 'cannot be read'), ('huge.png', 'pixels')):
        for ask in (
            answers.caption, lambda path: answers.search('', path, None, 1),
            lambda path: answers.classify(path, 'a, b')
        ):
            with pytest.raises(UnreadableImageError, match=message):
                ask(str(tmp_path / name))
    with pytest.raises(UserError, match='Choose an image file'):
        answers.caption(None)
    with pytest.raises(UserError, match='two classes or more'):
        answers.classify(str(folder / 'x.png'), 'cat,')


def test_the_index_is_made_anew_when_a_picture_comes(folder, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    (tmp_path / 'shapes').mkdir()
    shutil.copy(folder / 'x.png', tmp_path / 'shapes')
    args = parse_args(['--images', str(tmp_path / 'shapes')])
    pictures = FolderPictures(args.images)
    assert index_of(args, pictures, 'mark').names == ['x.png']
    shutil.copy(folder / 'heart.png', tmp_path / 'shapes')
    for _ in range(2):
        assert index_of(args, pictures, 'mark').names == ['heart.png', 'x.png']
    assert len(list((tmp_path / 'cache').rglob('*.safetensors'))) == 2


def test_the_index_is_made_anew_when_a_shard_of_a_pattern_changes(folder, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    args = parse_args(['--shards', str(tmp_path / '{0..1}.tar')])
    for number, shape in enumerate(('x', 'heart')):
        write_shapes(tmp_path / f'{number}.tar', folder, [shape])
    names = ['0.tar/0.png', '1.tar/0.png']
    for _ in range(2):
        assert index_of(args, ShardPictures(args.shards), 'mark').names == names
    write_shapes(tmp_path / '1.tar', folder, ['heart', 'circle'])
    names += ['1.tar/1.png']
    assert index_of(args, ShardPictures(args.shards), 'mark').names == names
    assert len(list((tmp_path / 'cache').rglob('*.safetensors'))) == 2


def test_a_picture_whose_name_is_not_utf_8_is_found(folder, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    source = tmp_path / os.fsdecode(b'h\xe9arts')
    source.mkdir()
    shutil.copy(folder / 'heart.png', source / os.fsdecode(b'c\xe9ur.png'))
    args = parse_args(['--images', str(source)])
    model, pictures = load_model('coca_small_icons', device='cpu'), FolderPictures(args.images)
    answers = Answers(model, index_of(args, pictures, 'mark'), pictures)
    ((picture, title), ) = answers.search('heart', None, None, 3)
    assert title.startswith('c\\xe9ur.png · ') and title.encode()
    np.testing.assert_array_equal(picture, np.asarray(Image.open(folder / 'heart.png')))


# In a browser


def free_port():
    with socket.socket() as found:
        found.bind(('127.0.0.1', 0))
        return found.getsockname()[1]


def wait_for(url, process):
    for _ in range(120):
        try:
            return urlopen(url).read()
        except URLError:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.5)
    raise TimeoutError(url)


@pytest.fixture(scope='module')
def server(folder, tmp_path_factory):
    """The address of a running demo."""
    pytest.importorskip('gradio', reason='the demo needs gradio')
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, '-m', 'mmcoca.apis.demo', '--images', folder, '--port',
         str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ, XDG_CACHE_HOME=str(tmp_path_factory.mktemp('cache'))),
        cwd=tmp_path_factory.mktemp('place'),
    )
    with ExitStack() as stack:
        stack.callback(process.wait, 20)
        stack.callback(process.terminate)
        wait_for(f'http://127.0.0.1:{port}', process)
        yield f'http://127.0.0.1:{port}'


def find_browser():
    return next(
        filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None
    )


@pytest.fixture
def page(server):
    """A browser's page, on which no script of ours' data may run and nothing else is fetched."""
    playwright = pytest.importorskip('playwright.sync_api', reason='this test needs playwright')
    if find_browser() is None:
        pytest.skip('there is no Chromium')
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_browser(), args=['--no-sandbox'])
        page = browser.new_page()
        page.set_default_timeout(120_000)  # on a machine with other work too
        dialogs, elsewhere = [], []
        page.on('dialog', lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.route(
            lambda url: not url.startswith((server, 'data:', 'blob:')),
            lambda route: (elsewhere.append(route.request.url), route.abort()),
        )
        page.goto(server)
        page.locator('#words textarea').wait_for()
        yield page
        browser.close()
        assert not dialogs
        assert not elsewhere


def press(page, button, awaited):
    """Until something is seen: while a file is on its way the page asks to try again."""
    for _ in range(9):
        page.locator(button).click()
        try:
            return awaited.wait_for(timeout=4000)
        except TIMEOUT:
            pass
    page.locator(button).click()
    awaited.wait_for()


def first_found(page, name):
    """What is first in the gallery, if it has this name."""
    first = page.locator('#found .caption-label').first
    return first.filter(has_text=re.compile(f'^{re.escape(name)} ·'))


def search(page, words, name):
    page.locator('#words textarea').fill(words)
    press(page, '#search', first_found(page, name))


def test_search_in_a_browser(page):
    search(page, 'heart', 'heart.png')
    search(page, 'minus', HTML_NAME)  # as text


def test_drawing_a_cross_finds_crosses(page):
    page.locator('#canvas').get_by_label('Brush').first.click()
    box = page.locator('#canvas canvas').first.bounding_box()
    for (x, y), (to_x, to_y) in (((0.35, 0.3), (0.65, 0.7)), ((0.65, 0.3), (0.35, 0.7))):
        page.mouse.move(box['x'] + x * box['width'], box['y'] + y * box['height'])
        page.mouse.down()
        page.mouse.move(box['x'] + to_x * box['width'], box['y'] + to_y * box['height'], steps=12)
        page.mouse.up()
    press(page, '#search', first_found(page, 'x.png'))


def test_uploads_that_are_no_images(page, folder, tmp_path):
    (tmp_path / 'broken <b>.png').write_bytes((folder / 'x.png').read_bytes()[:40])
    (tmp_path / 'script.svg').write_text(SVG)
    Image.new('1', (10000, 10000)).save(tmp_path / 'huge.png')
    page.get_by_role('tab', name='Caption').click()
    for name, message in (('broken <b>.png', 'cannot be read'), ('huge.png', 'pixels')):
        page.locator('#caption_file input[type=file]').set_input_files(tmp_path / name)
        told = page.locator('.toast-body').filter(has_text=message).first
        press(page, '#caption', told)
        assert str(tmp_path.parent) not in told.inner_text()
        page.locator('#caption_file').get_by_label('Clear').click()
    page.locator('#caption_file input[type=file]').set_input_files(tmp_path / 'script.svg')
    press(page, '#caption', page.locator('#caption_needs .caption-label').first)
    assert page.locator('#caption_text textarea').input_value()
    page.get_by_role('tab', name='Search').click()
    search(page, 'heart', 'heart.png')


def test_twenty_queries_at_once(server):
    client = pytest.importorskip('gradio_client', reason='the demo needs gradio')

    def ask(number):
        words = ['heart', 'circle', 'square', 'triangle'][number % 4]
        patient = dict(timeout=120)  # on a machine with other work too
        asking = client.Client(server, verbose=False, httpx_kwargs=patient, download_files=False)
        found = asking.predict(words, None, None, api_name='/search')
        return words, found[0]['caption']

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(ask, range(20)))
    assert len(found) == 20
    assert all(caption.startswith(f'{words}.png') for words, caption in found)


def test_what_cannot_be_served_is_told_before_anything_is_loaded(folder):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f'port {port} cannot be had'):
            check_port(port)
    check_port(port)
    with pytest.raises(UserError, match='--port 99999: use 1 to 65535'):
        check_port(99999)
    with pytest.raises(UserError, match='x.png is a file: name its folder'):
        source_of(parse_args(['--images', str(folder / 'x.png')]))


def test_mistakes_of_the_command_give_one_line(tmp_path):
    command = [sys.executable, '-m', 'mmcoca.apis.demo', '--images', tmp_path / 'none']
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=dict(os.environ, XDG_CACHE_HOME=str(tmp_path)),
    )
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith('error: folder')
    assert not list(tmp_path.rglob('*.safetensors'))

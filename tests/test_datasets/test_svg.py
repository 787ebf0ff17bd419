# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""SVG files: what is drawn, what is never opened, what is given up."""

import base64
import contextlib
import io
import os
import socket
import struct
import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import resvg_py
import torch
from mmengine.registry import init_default_scope
from mmpretrain import get_model
from PIL import Image
from torch.utils.data import DataLoader

from mmcoca.apis import EmbeddingIndex, FeatureExtractor, find_images, load_images
from mmcoca.datasets import LoadImage, UnreadableImageError, read_image
from mmcoca.datasets.transforms import svg
from mmcoca.datasets.transforms.load_image import decode_image, image_endings

NAMESPACE, XLINK = 'http://www.w3.org/2000/svg', 'http://www.w3.org/1999/xlink'
WHITE, BLACK, RED, BLUE = (255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 0, 255)
FULL = 'width="10" height="10"'
RED_RECT = f'<rect {FULL} fill="red"/>'


def drawing(body='', root='viewBox="0 0 10 10"', before=''):
    return f'{before}<svg xmlns="{NAMESPACE}" xmlns:xlink="{XLINK}" {root}>{body}</svg>'.encode()


def rgb(data, size=40, **options):
    return decode_image(data, svg_size=size, **options)[..., ::-1]


def colors(data):
    return {tuple(map(int, color)) for color in rgb(data).reshape(-1, 3)}


# What is drawn


def test_shapes_and_colours_by_hand():
    image = rgb(drawing('<rect y="5" width="5" height="5" fill="red"/>'))
    expected = np.full((40, 40, 3), 255)
    expected[20:, :20] = RED
    assert image.dtype == np.uint8 and np.array_equal(image, expected)


def test_what_is_not_said_is_black_and_the_background_is_ours():
    data = drawing('<circle cx="5" cy="5" r="2" fill="currentColor"/>')
    for background in (WHITE, (10, 200, 90)):
        image = rgb(data, background=background)
        assert tuple(image[0, 0]) == background and tuple(image[20, 20]) == BLACK
    # open_clip's configs drop transparency, below which SVG has nothing.
    assert np.array_equal(rgb(data, background=None), rgb(data))
    ((grey, *_), ) = colors(drawing(f'<rect {FULL} fill-opacity="0.4"/>'))
    assert grey == pytest.approx(255 * 0.6, abs=1)


def test_colours_by_css_and_use():
    style = '<style><![CDATA[ .a > rect { fill: url(#g) } ]]></style>'
    gradient = '<linearGradient id="g"><stop stop-color="blue"/></linearGradient>'
    shape = f'<defs><g id="x" class="a"><rect {FULL}/></g></defs>'
    for href in ('href', 'xlink:href'):
        assert colors(drawing(f'{style}{gradient}{shape}<use {href}="#x"/>')) == {BLUE}


def test_it_is_drawn_as_the_converter_draws_emoji():
    """To the bit: curves, strokes, gradients, opacity."""
    stops = '<stop offset=".3" stop-color="gold"/><stop offset="1"/>'
    data = drawing(
        f'<radialGradient id="g">{stops}</radialGradient>'
        '<circle cx="18" cy="18" r="17.3" fill="url(#g)" stroke="#a33" stroke-width=".7"/>'
        '<path d="M3 30C9 4 22 41 31.4 7" stroke="teal" fill="none" opacity=".6"/>',
        'viewBox="0 0 36 36"',
    )
    png = resvg_py.svg_to_bytes(
        svg_string=data.decode(), width=96, height=96, background='white', skip_system_fonts=True
    )
    expected = np.asarray(Image.open(io.BytesIO(png)).convert('RGB'))
    assert len(np.unique(expected)) > 100
    assert np.array_equal(rgb(data, size=96), expected)


@pytest.mark.parametrize(
    'root, expected',
    [
        ('viewBox="0 0 30 20"', (40, 60)),
        ('viewBox="-7 3 2 3"', (60, 40)),
        ('viewBox="0,0,1.5,1"', (40, 60)),
        ('width="30" height="20"', (40, 60)),
        ('width="0.3" height=".2"', (40, 60)),
        ('width="1.5cm" height="10mm"', (40, 60)),
        ('width="1in" height="1.44e2px"', (60, 40)),
        ('width="3em" height="2em" viewBox="0 0 30 20"', (40, 60)),
        ('width="100%" height="100%" viewBox="0 0 30 20"', (40, 60)),
        ('width="77" viewBox="0 0 30 20"', (40, 60)),
        ('height="1e9" viewBox="0 0 30 20"', (40, 60)),
        ('width="1e9" height="1e9"', (60, 60)),
        ('width="1e5" height="1"', (1, 60)),
        ('viewBox="0 0 30" width="30" height="20"', (40, 60)),
        ('width="200"', (45, 60)),  # CSS: 150 high
        ('', (30, 60)),  # CSS: 300 x 150
    ]
)
def test_the_shape_is_the_drawings_own(root, expected):
    """It is filled to its edges by what is as large as the drawing."""
    area = 'x="-999%" y="-999%" width="1999%" height="1999%"'
    image = rgb(drawing(f'<rect {area} fill="red"/>', root), size=60)
    assert image.shape[:2] == expected and (image == RED).all()


def test_a_view_box_of_another_shape_is_centred():
    image = rgb(drawing(f'<rect {FULL}/>', 'width="20" height="10" viewBox="0 0 10 10"'))
    assert image.shape == (20, 40, 3)
    assert (image[:, 10:30] == 0).all() and (image[:, :10] == 255).all()
    assert (image[:, 30:] == 255).all()


ILLUSTRATOR = f'''<?xml version="1.0" encoding="utf-8"?>
<!-- Generator: Adobe Illustrator 15.1.0, SVG Export Plug-In -->
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://127.0.0.1:9/svg11.dtd" [
    <!ENTITY ns_svg "{NAMESPACE}">
]>
<svg xmlns="&ns_svg;" viewBox="0 0 10 10">{RED_RECT}</svg>'''


@pytest.mark.parametrize(
    'data',
    [
        drawing(RED_RECT),
        b'\xef\xbb\xbf' + drawing(RED_RECT),
        drawing(RED_RECT, before='\n <?xml version="1.0"?>\n<!-- <svg> - a-b- -->\n<?php ? ?>\n'),
        drawing(RED_RECT, before='<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x.dtd">'),
        ILLUSTRATOR.encode(),
        drawing(f'{RED_RECT}<!-- Ä -->',
                before='<?xml version="1.0" encoding="latin-1"?>').decode().encode('latin-1'),
        f'<s:svg viewBox="0 0 9 9" xmlns:s="{NAMESPACE}"><s:rect {FULL} fill="red"/></s:svg>'.
        encode(),
        f'<svg viewBox="0 0 9 9">{RED_RECT}</svg>'.encode(),  # of no namespace
        drawing(f'<a href="http://127.0.0.1:9/">{RED_RECT}<script href="x.js"/></a>'),
    ]
)
def test_svg_is_told_by_its_content(tmp_path, data):
    path = tmp_path / 'named_otherwise.png'
    path.write_bytes(data)
    assert (read_image(path, svg_size=20) == RED[::-1]).all()


@pytest.mark.parametrize(
    'data', [
        b'', b'<', b'svg', b'<svgs>', b'<!DOCTYPE html><html><svg></svg></html>', b'<!-- <svg>',
        b'<?xml version="1.0"?><kml/>', b'\x1f\x8b\x08<svg>', b'<!-- ' + b'- ' * 2**20,
        b'<!DOCTYPE' + b' ' * 2**20, b'<!--' + b'-->' * 2**20, b'<!---->' * 2**20 + b'<x>'
    ]
)
def test_what_is_no_svg(data):
    """Told at once also where a search might try over and over."""
    with pytest.raises(ValueError, match='no image of PNG.* or SVG'):
        decode_image(data)


@pytest.mark.parametrize(
    'data, reason', [
        (drawing('<g>'), 'line 1: mismatched tag'),
        (drawing()[:-3], 'line 1: '),
        (drawing(root='width="0" height="5"'), 'its size is 0 x 5'),
        (drawing(root='width="-1" height="5"'), 'its size is -1 x 5'),
        (drawing(root='width="1e999" height="5"'), 'its size is inf x 5'),
        (drawing('<y:g/>'), 'y'),
    ]
)
def test_what_cannot_be_drawn_names_the_file_and_the_reason(tmp_path, data, reason):
    (tmp_path / 'x.svg').write_bytes(data)
    with pytest.raises(UnreadableImageError, match=f'image .*x.svg cannot be read: .*{reason}'):
        read_image(tmp_path / 'x.svg')
    assert colors(drawing()) == {WHITE}  # the next one is drawn


def test_sizes():
    assert decode_image(drawing()).shape == (512, 512, 3)
    with pytest.raises(ValueError, match='512 x 512 pixels are more than 1,000 .max_pixels'):
        decode_image(drawing(), max_pixels=1000)
    with pytest.raises(ValueError, match='svg_size is 0, but must be positive'):
        LoadImage(svg_size=0)


def test_an_image_in_memory(tmp_path):
    """`img_bytes` of any kind; `img_path` only names it."""
    Image.new('RGB', (8, 6), RED).save(tmp_path / 'x.png')
    load = LoadImage(svg_size=20)
    for data, shape in [((tmp_path / 'x.png').read_bytes(), (6, 8)), (drawing(RED_RECT), (20, 20))]:
        results = load(dict(img_bytes=data, img_path='shard.tar/1', image_id=3))
        assert (results['img'] == RED[::-1]).all() and results['image_id'] == 3
        assert results['img_shape'] == results['ori_shape'] == shape
        assert np.array_equal(load(dict(img_bytes=data))['img'], results['img'])
    with pytest.raises(UnreadableImageError, match='image shard.tar/1 cannot be read: .*no image'):
        load(dict(img_bytes=b'nothing', img_path='shard.tar/1'))
    with pytest.raises(UnreadableImageError, match='image in memory cannot be read: .*no image'):
        load(dict(img_bytes=b'nothing'))


def test_pictures_within_the_file_are_drawn():
    for kind, mime in [('PNG', 'image/png'), ('PNG', 'IMAGE/PNG;a=b'), ('WebP', 'image/webp')]:
        file = io.BytesIO()
        Image.new('RGB', (9, 9), RED).save(file, kind, lossless=True)
        uri = f'data:{mime};base64,{base64.b64encode(file.getvalue()).decode()}'
        assert colors(drawing(f'<image {FULL} xlink:href=" {uri}"/>')) == {RED}


# What is never opened


@pytest.fixture
def secret(tmp_path, monkeypatch):
    """A red picture in the working directory."""
    monkeypatch.chdir(tmp_path)
    Image.new('RGB', (10, 10), RED).save('secret.png')
    if os.statvfs(tmp_path).f_flag & os.ST_NOATIME:
        pytest.skip('this file system does not record when a file was read')
    return tmp_path / 'secret.png'


@contextlib.contextmanager
def read_within(path):
    """A list that has the path in the end if the file was read meanwhile, by any process."""
    found = []
    os.utime(path, (1e9, 2e9))  # last read before it was last changed: the next time is recorded
    yield found
    if path.stat().st_atime != 1e9:
        found.append(path)


def references(target):
    """Drawings that name a file or an address, each in a way of its own."""
    image, rect = f'<image {FULL} href="{target}"/>', f'<rect {FULL} fill="none"'
    nested = base64.b64encode(drawing(image)).decode()
    other = f'xmlns:y="{XLINK}" y:href="{target}"'
    return dict(
        href=drawing(image),
        xlink=drawing(f'<image {FULL} xlink:href="{target}"/>'),
        other_prefix=drawing(f'<image {FULL} {other}/>'),
        prefixed_element=drawing(f'<y:image {FULL} xmlns:y="{NAMESPACE}" href="{target}"/>'),
        beside_another=drawing(f'<image {FULL} href="{target}" xlink:href="#x"/>'),
        spaces=drawing(f'<image {FULL} href=" \n{target}"/>'),
        almost_data=drawing(f'<image {FULL} href="data:image/png;/../{target}"/>'),
        svg_in_svg=drawing(f'<image {FULL} href="data:image/svg+xml;base64,{nested}"/>'),
        svg_as_text=drawing(f'<image {FULL} href="data:;base64,{nested}"/>'),
        use=drawing(f'<use href="{target}#x"/>'),
        filter=drawing(f'<filter id="f"><feImage href="{target}"/></filter>{RED_RECT}'),
        pattern=drawing(f'<pattern id="p" {FULL}>{image}</pattern><rect {FULL} fill="url(#p)"/>'),
        base=drawing(f'<g xml:base="{target}"><image {FULL} href="secret.png"/></g>'),
        entity=drawing(
            f'<image {FULL} href="&e;"/>', before=f'<!DOCTYPE svg [<!ENTITY e "{target}">]>'
        ),
        element_in_entity=drawing('&e;', before=f"<!DOCTYPE svg [<!ENTITY e '{image}'>]>"),
        # What resvg does not open either, of the version that was read:
        linked_pattern=drawing(f'<pattern id="p" href="{target}#x"/>{rect} stroke="url(#p)"/>'),
        external_entity=drawing('&e;', before=f'<!DOCTYPE svg [<!ENTITY e SYSTEM "{target}">]>'),
        parameter=drawing(before=f'<!DOCTYPE svg [<!ENTITY % e SYSTEM "{target}"> %e;]>'),
        dtd=drawing(before=f'<!DOCTYPE svg SYSTEM "{target}">'),
        style_sheet=drawing(before=f'<?xml-stylesheet href="{target}" type="text/css"?>'),
        css_import=drawing(f'<style>@import url("{target}"); @import "{target}";</style>'),
        css_font=drawing(
            f'<style>@font-face {{ font-family: f; src: url("{target}") }}</style>'
            '<text font-family="f" y="9">a</text>'
        ),
        css_fill=drawing(f'<style>rect {{ fill: url("{target}") }}</style>{rect}/>'),
        fill=drawing(f'<rect {FULL} fill="url({target})"/>'),
        mask=drawing(f'{rect} mask="url({target}#x)" clip-path="url({target}#x)"/>'),
        script=drawing(f'<script href="{target}"/>'),
        foreign=drawing(
            f'<foreignObject {FULL}><img xmlns="http://www.w3.org/1999/xhtml" src="{target}"/>'
            '</foreignObject>'
        ),
    )


WAYS = list(references('x'))
REFUSED = WAYS[:WAYS.index('linked_pattern')]


def test_resvg_itself_would_read_a_file(secret):
    """So that the next tests can fail."""
    for way in ('href', 'xlink', 'beside_another', 'pattern', 'entity'):
        with read_within(secret) as found:
            resvg_py.svg_to_bytes(references(secret)[way].decode())
        assert found, way


@pytest.mark.parametrize('way', WAYS)
def test_no_file_is_read(secret, way):
    for target in (secret, secret.as_uri(), secret.name, f'./{secret.name}'):
        data = references(target)[way]
        with read_within(secret) as found:
            if way in REFUSED:
                with pytest.raises(ValueError, match='it shows .* neither a part of the file'):
                    rgb(data)
            else:
                assert RED not in colors(data)
        assert not found


@pytest.mark.parametrize('way', WAYS)
def test_no_address_is_asked(way):
    with socket.create_server(('127.0.0.1', 0)) as server:
        for scheme in ('http:', 'ftp:', ''):
            target = f'{scheme}//127.0.0.1:{server.getsockname()[1]}/secret.png'
            with contextlib.suppress(ValueError):
                assert RED not in colors(references(target)[way])
        server.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody is waiting
            server.accept()


@pytest.mark.parametrize('has_rights', [True, False])
def test_the_kernel_opens_nothing_for_the_process_that_draws(
    secret, fresh_painter, tmp_path, monkeypatch, has_rights
):
    """What would get past the checks: here they are cut out, and with them the limits."""
    source = svg.PROGRAM.read_text()
    cut = source.replace('raise ValueError(f\'it shows', 'print(f\'it shows')
    cut = cut.replace('del attributes[key]', 'pass')
    assert cut != source
    if has_rights:
        cut = cut.replace('    give_up_rights(memory)\n', '')
    program = tmp_path / 'svg_process.py'
    program.write_text(cut)
    monkeypatch.setattr(svg, 'PROGRAM', program)
    with read_within(secret) as found:
        assert (colors(references(secret)['href']) == {RED}) == has_rights
    assert bool(found) == has_rights


# What is given up


@pytest.fixture
def fresh_painter(monkeypatch):
    """A process of this test's own."""
    monkeypatch.setattr(svg, '_painters', threading.local())


def nested(tag, inside, copies, levels, inner='', attributes=''):
    """Definitions, each of so many copies of the next one; the first is named n0."""
    names = [f'n{level}' for level in range(levels)]
    parts = [
        f'<{tag} id="{name}" {attributes}>{inside.format(following) * copies}</{tag}>'
        for name, following in zip(names, names[1:])
    ]
    return f'<defs>{"".join(parts)}<{tag} id="{names[-1]}" {attributes}>{inner}</{tag}></defs>'


def huge_picture():
    """A PNG of 20,000 x 20,000 pixels, in 60 kB."""

    def chunk(name, data):
        crc = struct.pack('>I', zlib.crc32(name + data))
        return struct.pack('>I', len(data)) + name + data + crc

    size = 20_000
    rows = zlib.compress(bytes((1 + size // 8) * size), 9)
    header = struct.pack('>IIBBBBB', size, size, 1, 0, 0, 0, 0)
    png = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', rows) + chunk(b'IEND', b'')
    return f'data:image/png;base64,{base64.b64encode(png).decode()}'


def filtered(primitive, copies=1):
    area = 'x="-9" y="-9" width="20" height="20"'
    rects = f'<rect {FULL} filter="url(#f)"/>' * copies
    return drawing(f'<filter id="f" {area}>{primitive}</filter>{rects}')


TILE = 'width="10" height="10" patternUnits="userSpaceOnUse"'
LAUGHS = ''.join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(12))
BOMBS = dict(
    use=drawing(nested('g', '<use href="#{}"/>', 10, 12, RED_RECT) + '<use href="#n0"/>'),
    wide_use=drawing(f'<g id="n">{RED_RECT * 3000}</g>' + '<use href="#n"/>' * 3000),
    circle=drawing('<g id="a"><use href="#b"/></g><g id="b"><use href="#a"/></g><use href="#a"/>'),
    pattern=drawing(
        nested('pattern', f'<rect {FULL} fill="url(#{{}})"/>', 9, 9, RED_RECT, TILE) +
        f'<rect {FULL} fill="url(#n0)"/>'
    ),
    mask=drawing(
        nested('mask', f'<rect {FULL} fill="white" mask="url(#{{}})"/>', 9, 9, RED_RECT) +
        f'<rect {FULL} mask="url(#n0)"/>'
    ),
    marker=drawing(
        nested(
            'marker', '<path d="M0 0' + 'L1 1' * 99 + '" marker-mid="url(#{})"/>', 1, 9, RED_RECT
        ) + '<path d="M0 0' + 'L1 1' * 99 + '" marker-mid="url(#n0)"/>'
    ),
    huge_tile=drawing(
        f'<pattern id="p" width="1e6" height="1e6" patternUnits="userSpaceOnUse">{RED_RECT}'
        f'</pattern><rect {FULL} fill="url(#p)"/>'
    ),
    octaves=filtered('<feTurbulence baseFrequency=".1" numOctaves="2000000000"/>'),
    filters=filtered('<feGaussianBlur stdDeviation="5"/><feMorphology radius="5"/>' * 20, 2000),
    layers=drawing(f'<g opacity=".5">{RED_RECT * 2}</g>' * 50_000),
    deep=drawing('<g>' * 100_000 + '</g>' * 100_000),
    laughs=drawing(
        '<text>&e12;</text>', before=f'<!DOCTYPE svg [<!ENTITY e0 "{"ha" * 50}">{LAUGHS}]>'
    ),
    laughs_in_a_value=drawing(
        '<g id="&e12;"/>', before=f'<!DOCTYPE svg [<!ENTITY e0 "{"ha" * 50}">{LAUGHS}]>'
    ),
    blow_up=drawing(
        f'<text>{"&e;" * 50_000}</text>', before=f'<!DOCTYPE svg [<!ENTITY e "{"a" * 50_000}">]>'
    ),
    picture=drawing(f'<image {FULL} href="{huge_picture()}"/>'),
    bytes=drawing('<g/>' * 2**22),
)
HARMLESS = dict(
    itself=drawing(
        f'<pattern id="p" {TILE}><rect {FULL} fill="url(#p)"/></pattern>'
        f'<rect {FULL} fill="url(#p)"/>'
    ),
    size=drawing(RED_RECT, 'width="1e30" height="1e30" viewBox="0 0 10 10"'),
    tiny_tile=drawing(
        '<pattern id="p" width="1e-9" height="1e-9" patternUnits="userSpaceOnUse"><rect '
        f'width="1e-9" height="1e-9"/></pattern><rect {FULL} fill="url(#p)"/>'
    ),
    blur=filtered('<feGaussianBlur stdDeviation="1e9"/>'),
    dashes=drawing(f'<rect {FULL} stroke="red" stroke-dasharray="1e-9"/>'),
)


@pytest.mark.parametrize('name', BOMBS)
def test_bombs_are_refused(name, fresh_painter, monkeypatch):
    monkeypatch.setattr(svg, 'MAX_SECONDS', 1)
    with pytest.raises(ValueError) as refused:
        rgb(BOMBS[name], size=512)
    assert str(refused.value)
    assert colors(drawing(RED_RECT)) == {RED}  # the next one is drawn


@pytest.mark.parametrize('name', HARMLESS)
def test_what_looks_like_a_bomb(name, fresh_painter):
    assert rgb(HARMLESS[name], size=512).shape == (512, 512, 3)


def test_reasons(fresh_painter, monkeypatch):
    with pytest.raises(ValueError, match='16,777,... bytes of SVG are more than 16,777,216'):
        rgb(BOMBS['bytes'])
    monkeypatch.setattr(svg, 'MAX_SECONDS', 1)
    with pytest.raises(ValueError, match='it takes more than 1 seconds to draw'):
        rgb(BOMBS['octaves'])
    with pytest.raises(ValueError, match='it takes more than 1024 MiB to draw, or'):
        rgb(BOMBS['huge_tile'])


# The process


def test_each_drawing_gets_its_own_answer(fresh_painter, monkeypatch):
    """Of several threads; after Ctrl-C while one is waited for; after the process is killed."""
    reds = [drawing(f'<rect {FULL} fill="rgb({i},0,0)"/>') for i in range(200)]
    with ThreadPoolExecutor(4) as pool:
        assert [color for (color, ) in pool.map(colors, reds)] == [(i, 0, 0) for i in range(200)]
    assert colors(reds[1]) == {(1, 0, 0)}
    connection = svg.painter().connection

    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(connection, 'recv_bytes', interrupt)
    with pytest.raises(KeyboardInterrupt):
        colors(reds[2])
    assert colors(reds[3]) == {(3, 0, 0)}
    process = svg.painter().process
    process.kill()
    process.wait()
    assert colors(reds[4]) == {(4, 0, 0)}


class Drawings(torch.utils.data.Dataset):

    def __len__(self):
        return 20

    def __getitem__(self, place):
        data = drawing(f'<rect {FULL} fill="rgb({place},0,0)"/>')
        image = LoadImage(svg_size=8)(dict(img_bytes=data))['img']
        return image[0, 0, 2].item(), svg.painter().process.pid


def test_each_worker_has_a_process_that_ends_with_it(fresh_painter):
    rgb(drawing())  # what a forked worker must not share
    loader = DataLoader(Drawings(), num_workers=2, batch_size=5, collate_fn=list)
    items = [item for batch in loader for item in batch]
    assert [color for color, _ in items] == list(range(20))
    pids = {pid for _, pid in items}
    assert len(pids) == 2 and svg.painter().process.pid not in pids


def test_the_process_ends_with_its_caller():
    code = (
        'from mmcoca.datasets.transforms import svg\n'
        f'svg.draw_svg({drawing()!r}, 9, (0, 0, 0))\n'
        'print(svg.painter().process.pid)\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    for _ in range(1000):
        try:
            os.kill(int(done.stdout), 0)
        except ProcessLookupError:
            return
        threading.Event().wait(0.01)
    pytest.fail('it still runs')


# Where images are read


@pytest.fixture
def without_resvg(monkeypatch):
    monkeypatch.setattr(svg, 'find_spec', lambda name: None)
    image_endings.cache_clear()
    yield
    image_endings.cache_clear()


def test_without_resvg_one_line_says_what_to_install(without_resvg, tmp_path, caplog):
    (tmp_path / 'x.svg').write_bytes(drawing())
    line = 'SVG is drawn by resvg-py: pip install "mmcoca[icons]"'
    with pytest.raises(UnreadableImageError) as error:
        read_image(tmp_path / 'x.svg')
    assert str(error.value) == f'image {tmp_path}/x.svg cannot be read: {line}'
    assert '.svg' not in image_endings()
    Image.new('RGB', (8, 8)).save(tmp_path / 'x.png')
    assert find_images(tmp_path) == [tmp_path / 'x.png']
    assert line in caplog.messages


@pytest.fixture
def model(tiny_config):
    torch.manual_seed(0)
    init_default_scope('mmpretrain')
    return get_model(tiny_config.copy()).eval()


def test_a_folder_of_svg_and_png(model, tmp_path):
    """A drawing is to the model what a PNG of it is, as large as the default data are."""
    body = '<circle cx="5" cy="4" r="3" fill="teal"/><rect x="2" y="6" width="7" height="1"/>'
    (tmp_path / 'a.svg').write_bytes(drawing(body))
    Image.fromarray(rgb(drawing(body), size=96)).save(tmp_path / 'b.png')
    (tmp_path / 'c.svg').write_bytes(references('b.png')['href'])
    paths = find_images(tmp_path)
    assert [path.name for path in paths] == ['a.svg', 'b.png', 'c.svg']
    ((read, images, unreadable), ) = load_images(model, paths)
    assert (read, unreadable) == (paths[:2], paths[2:])
    assert torch.equal(images[0], images[1]) and images[0].std() > 0.1
    features = FeatureExtractor(model)(paths[:2])
    assert torch.equal(features[0][0], features[1][0])


def test_the_tools_read_svg(model, tmp_path, run_tool, repository, emoji_data):
    weights, index = tmp_path / 'tiny.pth', tmp_path / 'images.safetensors'
    torch.save(dict(state_dict=model.state_dict()), weights)
    images = tmp_path / 'images'
    images.mkdir()
    for name, color in [('a.svg', 'teal'), ('b.svg', 'red')]:
        (images / name).write_bytes(drawing(f'<circle cx="5" cy="4" r="3" fill="{color}"/>'))
    first = [repository / 'configs' / 'coca' / 'coca_tiny_emoji.py', weights]
    last = ['--cfg-options', f'model.tokenizer.vocab_file={emoji_data / "tokenizer.json"}']
    done = run_tool('inference/embed.py', *first, '--images', images, '--out', index, *last)
    assert done.returncode == 0, done.stderr
    assert EmbeddingIndex.load(index).names == ['a.svg', 'b.svg']
    query = ['--image', images / 'b.svg', '--top-k', '1']
    done = run_tool('inference/search.py', *first, index, *query, *last)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == f'{images / "b.svg"},b.svg,1.0000'

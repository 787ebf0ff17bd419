# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Real files of every kind, against pixels that are computed by hand."""

import io
import os
import struct
import threading
import tracemalloc
import warnings
import zlib

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmpretrain.registry import TRANSFORMS
from PIL import Image, features

from mmcoca.datasets import LoadImage, UnreadableImageError, read_image

RANDOM = np.random.default_rng(0)
RGB = RANDOM.integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY = RANDOM.integers(0, 256, (6, 9), dtype=np.uint8)
ALPHA = RANDOM.integers(0, 256, (6, 9), dtype=np.uint8)
ALPHA[0] = 0
ALPHA[1] = 255
RED = (255, 0, 0)


def on(background, colors, alpha):
    """Colours (H,W,3) with alpha (H,W) on a background, by the definition."""
    alpha = alpha[..., None] / 255
    return np.rint(colors * alpha + np.array(background) * (1 - alpha))


def rgb(path, **options):
    return read_image(path, **options)[..., ::-1]


def grey3(values):
    return np.repeat(values[..., None], 3, axis=2)


@pytest.mark.parametrize('background', [(255, 255, 255), (10, 200, 90)])
@pytest.mark.parametrize('ending', ['png', 'webp', 'tif'])
def test_alpha_is_laid_on_the_background(tmp_path, ending, background):
    path = tmp_path / f'x.{ending}'
    Image.fromarray(np.dstack([RGB, ALPHA])).save(path, lossless=True, exact=True)
    assert np.array_equal(rgb(path, background=background), on(background, RGB, ALPHA))


def test_the_hidden_colour_shows_only_without_a_background(tmp_path):
    path = tmp_path / 'x.png'
    hidden = np.zeros((4, 4, 4), np.uint8)  # black, and all transparent
    Image.fromarray(hidden).save(path)
    assert (read_image(path) == 255).all()
    assert (read_image(path, background=None) == 0).all()


def test_grey_with_alpha(tmp_path):
    path = tmp_path / 'x.png'
    Image.merge('LA', [Image.fromarray(GREY), Image.fromarray(ALPHA)]).save(path)
    assert np.array_equal(rgb(path, background=RED), on(RED, grey3(GREY), ALPHA))


def test_a_transparent_colour_of_grey_and_rgb(tmp_path):
    """tRNS without an alpha channel."""
    Image.fromarray(RGB).save(tmp_path / 'rgb.png', transparency=tuple(map(int, RGB[2, 3])))
    Image.fromarray(GREY).save(tmp_path / 'grey.png', transparency=int(GREY[2, 3]))
    for name, colors in (('rgb.png', RGB), ('grey.png', grey3(GREY))):
        alpha = np.where((colors == colors[2, 3]).all(axis=2), 0, 255)
        assert alpha.min() == 0 and alpha.max() == 255
        assert np.array_equal(rgb(tmp_path / name, background=RED), on(RED, colors, alpha))


@pytest.mark.parametrize('kind', ['opaque', 'one', 'several'])
def test_palettes(tmp_path, kind):
    palette = RANDOM.integers(0, 256, (16, 3), dtype=np.uint8)
    places = RANDOM.integers(0, 16, (6, 9), dtype=np.uint8)
    image = Image.fromarray(places)
    image.putpalette(palette.tobytes())
    alphas = np.full(16, 255)
    options = {}
    if kind == 'one':
        alphas[5], options = 0, dict(transparency=5)
    elif kind == 'several':
        alphas[:8] = RANDOM.integers(0, 256, 8)
        options = dict(transparency=bytes(alphas.astype(np.uint8)))
    image.save(tmp_path / 'x.png', **options)
    expected = on(RED, palette[places], alphas[places])
    assert np.array_equal(rgb(tmp_path / 'x.png', background=RED), expected)


def test_one_bit(tmp_path):
    bits = RANDOM.random((6, 9)) < 0.5
    for name in ('x.png', 'x.tif', 'x.bmp', 'x.pbm'):
        Image.fromarray(bits).save(tmp_path / name)
        assert np.array_equal(rgb(tmp_path / name), grey3(255 * bits))


def png(path, width, height, depth, color, rows, *chunks):
    """A PNG file written by hand."""

    def chunk(name, data):
        return struct.pack('>I',
                           len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))

    header = struct.pack('>IIBBBBB', width, height, depth, color, 0, 0, 0)
    data = zlib.compress(b''.join(b'\0' + row for row in rows))
    parts = [chunk(b'IHDR', header), *(chunk(*c) for c in chunks), chunk(b'IDAT', data)]
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + b''.join([*parts, chunk(b'IEND', b'')]))


def test_sixteen_bits_keep_the_upper_eight(tmp_path):
    """Grey, grey with a transparent value, RGB, RGB with alpha; PNG, TIFF and PGM."""
    grey = RANDOM.integers(0, 65536, (6, 9), dtype=np.uint16)
    color = RANDOM.integers(0, 65536, (6, 9, 4), dtype=np.uint16)
    for name in ('x.png', 'x.tif', 'x.pgm'):
        cv2.imwrite(str(tmp_path / name), grey)
        assert np.array_equal(rgb(tmp_path / name), grey3(grey >> 8)), name
    big_endian = [row.astype('>u2').tobytes() for row in grey]
    png(tmp_path / 'key.png', 9, 6, 16, 0, big_endian, (b'tRNS', struct.pack('>H', grey[2, 3])))
    alpha = np.where(grey == grey[2, 3], 0, 255)
    assert np.array_equal(
        rgb(tmp_path / 'key.png', background=RED), on(RED, grey3(grey >> 8), alpha)
    )
    cv2.imwrite(str(tmp_path / 'rgb.png'), color[..., :3])
    assert np.array_equal(read_image(tmp_path / 'rgb.png'), color[..., :3] >> 8)
    cv2.imwrite(str(tmp_path / 'rgba.png'), color)
    expected = on(RED[::-1], color[..., :3] >> 8, color[..., 3] >> 8)
    assert np.array_equal(read_image(tmp_path / 'rgba.png', background=RED), expected)


def test_sixteen_bit_rgb_with_a_transparent_colour_is_refused(tmp_path):
    key = (b'tRNS', struct.pack('>HHH', 300, 1, 1))
    png(tmp_path / 'x.png', 1, 1, 16, 2, [struct.pack('>HHH', 300, 1, 1)], key)
    with pytest.raises(UnreadableImageError, match='x.png cannot be read: .*save it with alpha'):
        read_image(tmp_path / 'x.png')


def test_numbers_of_no_known_range_are_refused(tmp_path):
    for mode in ('F', 'I'):
        Image.new(mode, (3, 3)).save(tmp_path / 'x.tif')
        with pytest.raises(UnreadableImageError, match='x.tif cannot be read: .*8 or 16 bits'):
            read_image(tmp_path / 'x.tif')


def test_cmyk(tmp_path):
    """Of one colour each, since JPEG blurs: the definition without a profile."""
    for cmyk in ((0, 0, 0, 0), (255, 0, 0, 0), (30, 200, 90, 60)):
        expected = [255 * (1 - c / 255) * (1 - cmyk[3] / 255) for c in cmyk[:3]]
        for name in ('x.jpg', 'x.tif'):
            Image.new('CMYK', (16, 16), cmyk).save(tmp_path / name)
            assert np.abs(rgb(tmp_path / name) - np.array(expected)).max() <= 3, (cmyk, name)


UPRIGHT = {  # orientation -> what turns the stored pixels
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).swapaxes(0, 1),
    8: lambda x: np.rot90(x),
}


@pytest.mark.parametrize('orientation', UPRIGHT)
@pytest.mark.parametrize('name', ['x.png', 'x.webp', 'x.tif', 'x.jpg', 'grey.png', 'deep.png'])
def test_exif_turns_the_image(tmp_path, name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    if name == 'grey.png':
        stored = grey3(GREY)
        image = Image.merge('LA', [Image.fromarray(GREY), Image.new('L', (9, 6), 255)])
    elif name == 'deep.png':
        deep = RANDOM.integers(0, 65536, (6, 9), dtype=np.uint16)
        stored, image = grey3(deep >> 8), Image.fromarray(deep)
    else:
        stored, image = RGB, Image.fromarray(RGB)
    image.save(tmp_path / name, lossless=True, exif=exif, quality=100, subsampling=0)
    if name.endswith('jpg'):  # JPEG changes the pixels, but equally so
        image.save(tmp_path / 'stored.jpg', quality=100, subsampling=0)
        stored = rgb(tmp_path / 'stored.jpg')
    assert np.array_equal(rgb(tmp_path / name), UPRIGHT[orientation](stored))


def test_broken_exif_says_nothing(tmp_path):
    for name in ('x.png', 'x.webp'):
        Image.fromarray(RGB).save(tmp_path / name, lossless=True, exif=b'Exif\0\0MM\0*\xff\xff')
        assert np.array_equal(rgb(tmp_path / name), RGB)


@pytest.mark.parametrize('ending', ['gif', 'png', 'webp'])
def test_the_first_frame_of_an_animation(tmp_path, ending):
    frames = [Image.new('RGB', (8, 8), color) for color in (RED, (0, 255, 0), (0, 0, 255))]
    path = tmp_path / f'x.{ending}'
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    assert np.array_equal(rgb(path), np.array(frames[0]))


def test_a_gif_with_transparency(tmp_path):
    image = Image.fromarray(np.where(GREY > 127, 1, 0).astype(np.uint8))
    image.putpalette([0, 0, 0, 0, 0, 255])
    image.save(tmp_path / 'x.gif', transparency=0)
    expected = np.where(GREY[..., None] > 127, (0, 0, 255), RED)
    assert np.array_equal(rgb(tmp_path / 'x.gif', background=RED), expected)


@pytest.mark.skipif(not features.check('avif'), reason='this Pillow has no AVIF')
def test_avif(tmp_path):
    Image.new('RGBA', (16, 16), (0, 0, 0, 0)).save(tmp_path / 'x.avif')
    assert np.abs(rgb(tmp_path / 'x.avif', background=RED) - np.array(RED)).max() <= 3


@pytest.mark.parametrize(
    'name, mode', [
        ('x.png', 'RGB'), ('x.png', 'L'), ('x.jpg', 'RGB'), ('x.jpg', 'L'), ('p.jpg', 'RGB'),
        ('x.bmp', 'RGB'), ('x.tif', 'RGB'), ('x.webp', 'RGB')
    ]
)
def test_opaque_pixels_are_mmcvs_to_the_bit(tmp_path, name, mode):
    noise = RANDOM.integers(0, 256, (61, 83, 3), dtype=np.uint8)
    image = Image.fromarray(cv2.GaussianBlur(noise, (0, 0), 3)).convert(mode)
    image.save(tmp_path / name, **(dict(progressive=True) if name == 'p.jpg' else {}))
    results = dict(img_path=str(tmp_path / name), image_id=3)
    ours, theirs = LoadImage()(dict(results)), LoadImageFromFile()(dict(results))
    assert ours.keys() == theirs.keys() and ours['image_id'] == 3
    assert ours['img'].dtype == np.uint8 and np.array_equal(ours['img'], theirs['img'])
    assert ours['img_shape'] == ours['ori_shape'] == theirs['img_shape'] == (61, 83)


def test_the_default_data_is_the_same_to_the_bit(emoji_data):
    for artist in sorted((emoji_data / 'images').iterdir()):
        for path in sorted(artist.iterdir())[::100]:
            results = dict(img_path=str(path))
            expected = LoadImageFromFile()(dict(results))['img']
            assert np.array_equal(LoadImage()(dict(results))['img'], expected)


def test_a_huge_image_is_refused_before_it_is_decoded(tmp_path):
    grey, palette, jpeg = (tmp_path / name for name in ('grey.png', 'palette.png', 'x.jpg'))
    png(grey, 20_000, 20_000, 8, 0, (bytes(20_000) for _ in range(20_000)))
    png(palette, 20_000, 20_000, 8, 3, [], (b'PLTE', bytes(3)))
    Image.new('L', (8, 8)).save(jpeg)
    content = jpeg.read_bytes()
    place = content.index(b'\xff\xc0') + 5
    jpeg.write_bytes(content[:place] + struct.pack('>HH', 60_000, 60_000) + content[place + 4:])
    tracemalloc.start()
    for path in (grey, palette, jpeg):
        with pytest.raises(UnreadableImageError, match='more than 134,217,728 .max_pixels'):
            read_image(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


def test_pictures_within_an_icon_are_looked_at_before_they_are_decoded(tmp_path):
    """Pillow decodes them as it opens the file."""
    picture = io.BytesIO()
    Image.new('L', (3000, 2000)).save(picture, 'PNG')
    entry = struct.pack('<BBBBHHII', 16, 16, 0, 0, 1, 32, len(picture.getvalue()), 22)
    content = struct.pack('<HHH', 0, 1, 1) + entry + picture.getvalue()
    for name, data in (('png.ico', content), ('cut.ico', content[:50])):
        (tmp_path / name).write_bytes(data)
        tracemalloc.start()
        with pytest.raises(UnreadableImageError, match='3000 x 2000 pixels are more than 10,000'):
            read_image(tmp_path / name, max_pixels=10_000)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1e6
    Image.fromarray(RGB).save(tmp_path / 'bmp.ico', bitmap_format='bmp', sizes=[(6, 6)])
    assert read_image(tmp_path / 'bmp.ico').shape[2] == 3
    with pytest.raises(UnreadableImageError, match='are more than 9'):
        read_image(tmp_path / 'bmp.ico', max_pixels=9)


def test_the_limit_is_ours_not_pillows(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10)
    for name in ('x.png', 'x.webp', 'x.tif', 'x.gif'):
        image = Image.fromarray(np.dstack([RGB, ALPHA]))
        image.save(tmp_path / name)
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            assert read_image(tmp_path / name, max_pixels=54).shape == (6, 9, 3)
        with pytest.raises(UnreadableImageError, match='9 x 6 pixels are more than 53'):
            read_image(tmp_path / name, max_pixels=53)
    threads = [
        threading.Thread(target=lambda: [read_image(tmp_path / 'x.webp') for _ in range(50)]
                         ) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Image.MAX_IMAGE_PIXELS == 10


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / 'pipe.png')
    (tmp_path / 'folder.png').mkdir()
    for name in ('pipe.png', 'folder.png'):
        with pytest.raises(UnreadableImageError, match=f'{name} cannot be read: .*no regular file'):
            read_image(tmp_path / name)
    Image.fromarray(RGB).save(tmp_path / 'x.png')
    (tmp_path / 'link.png').symlink_to(tmp_path / 'x.png')
    assert np.array_equal(rgb(tmp_path / 'link.png'), RGB)


@pytest.mark.parametrize(
    'content, reason', [
        (b'', 'no image of PNG'),
        (b'no picture', 'no image of PNG'),
        (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n', 'no image of PNG'),
        (b'<html xmlns="http://www.w3.org/1999/xhtml"/>', 'no image of PNG.* or SVG'),
        (b'\x89PNG\r\n\x1a\n' + bytes(30), ''),
        (b'\xff\xd8\xff', ''),
    ]
)
def test_what_is_no_image_names_the_file(tmp_path, content, reason):
    (tmp_path / 'x.png').write_bytes(content)
    with pytest.raises(UnreadableImageError, match=f'image .*x.png cannot be read: .*{reason}'):
        read_image(tmp_path / 'x.png')
    with pytest.raises(UnreadableImageError, match='nothing.png cannot be read: No such file'):
        read_image(tmp_path / 'nothing.png')


def test_half_a_png_is_an_error(tmp_path):
    Image.fromarray(RANDOM.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / 'x.png')
    content = (tmp_path / 'x.png').read_bytes()
    (tmp_path / 'x.png').write_bytes(content[:len(content) // 2])
    with pytest.raises(UnreadableImageError, match='x.png cannot be read: '):
        read_image(tmp_path / 'x.png')


def test_what_is_loaded_already_is_kept():
    load = LoadImage(background=RED)
    bgra = np.dstack([RGB[..., ::-1], ALPHA])
    cases = [
        (RGB, RGB),
        (GREY, grey3(GREY)),
        (GREY[..., None], grey3(GREY)),
        (bgra, on(RED, RGB, ALPHA)[..., ::-1]),
        (Image.fromarray(RGB), RGB[..., ::-1]),
        (Image.fromarray(np.dstack([RGB, ALPHA])), on(RED, RGB, ALPHA)[..., ::-1]),
    ]
    for given, expected in cases:
        results = load(dict(img=given, img_path='not asked'))
        assert np.array_equal(results['img'], expected)
        assert results['img_shape'] == results['ori_shape'] == (6, 9)
    with pytest.raises(ValueError, match=r'img is an array \(2, 2, 2\)'):
        load(dict(img=np.zeros((2, 2, 2), np.uint8)))
    with pytest.raises(ValueError, match='an array of float64: use uint8, 0 to 255'):
        load(dict(img=RGB / 255))
    with pytest.raises(KeyError, match='img_path'):  # on which mmpretrain's inferencers rely
        load(dict(text='a dog'))


def test_it_resolves_by_name():
    assert TRANSFORMS.build(dict(type='mmcoca.LoadImage', max_pixels=9)).max_pixels == 9


@pytest.mark.parametrize(
    'size, reduce_to, expected',
    [
        ((480, 640), 224, (240, 320)),
        ((480, 640), 240, (240, 320)),
        ((480, 640), 241, (480, 640)),
        ((1200, 900), 224, (300, 225)),
        ((1803, 2405), 224, (226, 301)),
        ((200, 100), 224, (200, 100)),
        ((480, 640), None, (480, 640)),
    ],
)
def test_large_jpegs_are_decoded_smaller(tmp_path, size, reduce_to, expected):
    """Nearly as the whole image, made small by the mean of its pixels; no other file is."""
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), size[::-1])
    for ending in ('jpg', 'png'):
        cv2.imwrite(str(tmp_path / f'image.{ending}'), smooth)
    load = LoadImage(reduce_to=reduce_to)
    found = load(dict(img_path=str(tmp_path / 'image.jpg')))
    assert found['img'].shape[:2] == found['img_shape'] == expected
    whole = read_image(tmp_path / 'image.jpg')
    small = cv2.resize(whole, expected[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(found['img'].astype(int) - small).mean() < 1
    assert load(dict(img_path=str(tmp_path / 'image.png')))['img'].shape[:2] == size

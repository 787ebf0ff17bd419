# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Loading of image files: transparency on a background, upright, in 8 bits, of bounded size."""

from __future__ import annotations

import io
import os
import stat
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from PIL import Image, UnidentifiedImageError

from mmcoca.registry import TRANSFORMS

from .svg import draw_svg, is_svg, svg_problem

WHITE = (255, 255, 255)
MAX_PIXELS = 2**27
SVG_SIZE = 512
# What Pillow may open. EPS, which starts Ghostscript, and what holds no pixels are not among them.
PILLOW_FORMATS = (
    'PNG', 'JPEG', 'GIF', 'WEBP', 'AVIF', 'BMP', 'DIB', 'TIFF', 'PPM', 'JPEG2000', 'ICO'
)
PNG_START, JPEG_START = b'\x89PNG\r\n\x1a\n', b'\xff\xd8\xff'
ICO_START = b'\0\0\1\0'
PLAIN_PNG_COLORS = (0, 2)  # grey, RGB
# Chunks for which OpenCV's releases do different things: transparency, orientation, animation.
PNG_EXTRAS = (b'tRNS', b'eXIf', b'acTL')
JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the markers that tell the size
JPEG_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
# libjpeg leaves out the finer frequencies, of which a reduced image shows nothing.
REDUCTIONS = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}
ORIENTATION = 0x0112  # of EXIF
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnreadableImageError(RuntimeError):
    """An image could not be read: the message names it, and where a data set names it."""


@cache
def image_endings() -> frozenset[str]:
    """Endings of the files that `read_image` reads, in lower case; AVIF and SVG where it can."""
    endings = {
        ending
        for ending, name in Image.registered_extensions().items()
        if name in PILLOW_FORMATS
    }
    return frozenset(endings if svg_problem() else endings | {'.svg'})


def is_image_file(path: Path) -> bool:
    """Whether a path is a regular file with an image's ending, and none of macOS's notes on one."""
    return (
        path.suffix.lower() in image_endings() and not path.name.startswith('._') and path.is_file()
    )


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Read the image `img_path`, of any kind, as a person sees it.

    Adds `img` (height,width,3), uint8, BGR, `img_shape` and `ori_shape`, as mmcv's
    LoadImageFromFile does, with the same pixels for opaque 8-bit JPEG and PNG. What is transparent
    shows the background; the image is upright as its EXIF says; of an animation it is the first
    frame; 16 bits keep the upper 8. SVG is told by its content and drawn by
    `svg.draw_svg`.

    With `img_bytes`, the content of a file, nothing is opened; `img_path` then only names it. An
    `img` that is there already is kept: an array in BGR, BGRA or grey, or a PIL image.

    Args:
        background: Red, green and blue, 0..255, behind what is transparent; None drops the
            transparency, so that the colours below it show, as in open_clip; SVG has none, and is
            then drawn on white.
        max_pixels: A larger image is refused, from its header, before it is decoded.
        backend_args: Of MMEngine's file backends, for what is no local file.
        reduce_to: Decode a JPEG at a half, a quarter or an eighth of its size, as long as its
            shorter side keeps so many pixels: much faster, for images that are made small anyway.
            None: as it is.
        svg_size: Pixels of the longer side of SVG, which has no size of its own.

    Raises UnreadableImageError, naming the file and the reason; at once, ValueError for an svg_size
    below 1.
    """

    def __init__(
        self,
        background: Sequence[int] | None = WHITE,
        max_pixels: int = MAX_PIXELS,
        backend_args: dict | None = None,
        reduce_to: int | None = None,
        svg_size: int = SVG_SIZE,
    ) -> None:
        if svg_size < 1:
            raise ValueError(f'svg_size is {svg_size}, but must be positive')
        self.background = background and tuple(background)
        self.max_pixels = max_pixels
        self.backend_args = backend_args
        self.reduce_to = reduce_to
        self.svg_size = svg_size

    def transform(self, results: dict) -> dict:
        """Add the image. Raises KeyError without `img`, `img_bytes` and `img_path`."""
        if 'img' in results:
            image = loaded_image(results['img'], self.background)
        elif 'img_bytes' in results:
            with unreadable(results.get('img_path', 'in memory')):
                image = self._decode(results['img_bytes'])
        else:
            with unreadable(results['img_path']):
                image = self._decode(read_file(results['img_path'], self.backend_args))
        shape = image.shape[:2]
        return dict(results, img=image, img_shape=shape, ori_shape=shape)

    def _decode(self, data: bytes) -> np.ndarray:
        return decode_image(data, self.background, self.max_pixels, self.reduce_to, self.svg_size)


def read_image(
    path: str | os.PathLike,
    background: Sequence[int] | None = WHITE,
    max_pixels: int = MAX_PIXELS,
    backend_args: dict | None = None,
    reduce_to: int | None = None,
    svg_size: int = SVG_SIZE,
) -> np.ndarray:
    """The image (height,width,3), uint8, BGR, of a file. See `LoadImage`."""
    with unreadable(path):
        data = read_file(path, backend_args)
        return decode_image(data, background, max_pixels, reduce_to, svg_size)


@contextmanager
def unreadable(path: str | os.PathLike) -> Iterator[None]:
    """Raise UnreadableImageError for an image in place of any other error."""
    try:
        yield
    except Exception as error:  # decoders raise whatever they like
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise UnreadableImageError(f'image {path} cannot be read: {reason}') from error


def read_file(path: str | os.PathLike, backend_args: dict | None = None) -> bytes:
    """The content of a regular file, or of what a backend of MMEngine reads.

    Raises ValueError for anything else on the disk: reading a pipe would wait for ever.
    """
    path = os.fspath(path)
    if '://' in path or backend_args:
        return fileio.get(path, backend_args=backend_args)
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError('it is no regular file')
    with open(path, 'rb') as file:
        return file.read()


def decode_image(
    data: bytes,
    background: Sequence[int] | None = WHITE,
    max_pixels: int = MAX_PIXELS,
    reduce_to: int | None = None,
    svg_size: int = SVG_SIZE,
) -> np.ndarray:
    """The content of an image file -> (height,width,3), uint8, BGR. Raises ValueError for none."""
    size = plain_png_size(data) or plain_jpeg_size(data)
    if size:  # OpenCV is the faster one, and does not vary here
        check_size(size, max_pixels)
        flag = cv2.IMREAD_COLOR
        if reduce_to is not None and data.startswith(JPEG_START):
            flag = reduction(size, reduce_to)
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
        if image is not None:
            return image
    if is_svg(data):
        check_size((svg_size, svg_size), max_pixels)
        return draw_svg(data, svg_size, background or WHITE)
    for size in ico_sizes(data):  # Pillow decodes them as it opens the file
        check_size(size, max_pixels)
    with pillow_without_limit(), open_by_pillow(data) as image:
        check_size(image.size, max_pixels)
        image.load()
        return flatten(eight_bits(upright(image)), background)


def reduction(size: tuple[int, int], reduce_to: int) -> int:
    """OpenCV's flag for the smallest decoding of a size whose shorter side has so many pixels."""
    for parts, flag in REDUCTIONS.items():
        if min(size) // parts >= reduce_to:
            return flag
    return cv2.IMREAD_COLOR


def check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Raise ValueError for a width and height of too many pixels."""
    width, height = size
    if width * height > max_pixels:
        raise ValueError(
            f'{width} x {height} pixels are more than {max_pixels:,} (max_pixels of LoadImage)'
        )


def plain_png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a complete PNG of opaque 8-bit grey or RGB that needs no turn."""
    if not data.startswith(PNG_START) or len(data) < 26:
        return None
    width, height, depth, color = struct.unpack_from('>IIBB', data, 16)
    if depth != 8 or color not in PLAIN_PNG_COLORS:
        return None
    place, name = len(PNG_START), b''
    while name != b'IEND':
        if place + 8 > len(data):
            return None
        length, name = struct.unpack_from('>I4s', data, place)
        if name in PNG_EXTRAS:
            return None
        place += 12 + length
    return width, height


def plain_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height, as stored, of a JPEG of 8-bit grey or colour, not of CMYK."""
    if not data.startswith(JPEG_START):
        return None
    place = 2
    while place + 10 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
        elif marker in JPEG_ALONE:
            place += 2
        elif marker in JPEG_FRAMES:
            depth, height, width, channels = struct.unpack_from('>BHHB', data, place + 4)
            return (width, height) if depth == 8 and channels in (1, 3) and height else None
        else:
            place += 2 + struct.unpack_from('>H', data, place + 2)[0]
    return None


def ico_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """Width and height of each picture within an ICO file, PNG or bitmap; of another file none."""
    if not data.startswith(ICO_START) or len(data) < 6:
        return
    for number in range(struct.unpack_from('<H', data, 4)[0]):
        entry = 6 + 16 * number
        if entry + 16 > len(data):
            return
        place = struct.unpack_from('<I', data, entry + 12)[0]
        is_png = data.startswith(PNG_START, place)
        of_size, form = (place + 16, '>II') if is_png else (place + 4, '<ii')
        if of_size + 8 <= len(data):
            width, height = struct.unpack_from(form, data, of_size)
            yield abs(width), abs(height)


@contextmanager
def pillow_without_limit() -> Iterator[None]:
    """Switch Pillow's own limit of pixels off meanwhile: `max_pixels` may be a higher one."""
    limit = _PillowLimit
    with limit.lock:
        if limit.num_users == 0:
            limit.max_pixels, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        limit.num_users += 1
    try:
        yield
    finally:
        with limit.lock:
            limit.num_users -= 1
            if limit.num_users == 0:
                Image.MAX_IMAGE_PIXELS = limit.max_pixels


class _PillowLimit:
    """Pillow's limit is one for all threads: the last of them switches it on again."""

    lock = threading.Lock()
    num_users = 0
    max_pixels: int | None = None


def open_by_pillow(data: bytes) -> Image.Image:
    """The image of a file's content, its header alone read. Raises ValueError for none."""
    Image.init()
    formats = [name for name in PILLOW_FORMATS if name in Image.OPEN]
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError as error:
        raise ValueError(f'it is no image of {", ".join(formats)} or SVG') from error


def eight_bits(image: Image.Image) -> Image.Image:
    """The image with 8 bits a channel. Raises ValueError where the range is not known."""
    transparent = image.info.get('transparency')
    if image.mode == 'RGB' and isinstance(transparent, tuple) and max(transparent) > 255:
        raise ValueError('a transparent colour of 16 bits is not supported: save it with alpha')
    if image.mode.startswith('I;16') or (image.mode == 'I' and image.format in ('PNG', 'PPM')):
        values = np.asarray(image)
        grey = Image.fromarray((values >> 8).astype(np.uint8))
        if transparent is not None:
            grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
        return grey
    if image.mode in ('I', 'F'):
        raise ValueError('its pixels are no colours of 8 or 16 bits: save it as PNG')
    return image


def upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF says."""
    try:
        turn = TURNS.get(image.getexif().get(ORIENTATION))
    except Exception:  # broken EXIF says nothing; Pillow has no one error for it
        return image
    if turn is None:
        return image
    turned = image.transpose(turn)
    turned.info, turned.format = image.info, image.format
    return turned


def flatten(image: Image.Image, background: Sequence[int] | None) -> np.ndarray:
    """An 8-bit image on a background -> (height,width,3), uint8, BGR."""
    transparent = 'transparency' in image.info or image.mode in ('LA', 'PA', 'RGBA', 'RGBa')
    if transparent and background is not None:
        image = image.convert('RGBA')
        canvas = Image.new('RGB', image.size, tuple(background))
        canvas.paste(image, mask=image.getchannel('A'))
        image = canvas
    return cv2.cvtColor(np.asarray(image.convert('RGB')), cv2.COLOR_RGB2BGR)


def loaded_image(image: np.ndarray | Image.Image, background: Sequence[int] | None) -> np.ndarray:
    """An image in memory -> (height,width,3), uint8, BGR. Raises ValueError for another array."""
    if isinstance(image, Image.Image):
        return flatten(eight_bits(upright(image)), background)
    if image.dtype != np.uint8:
        raise ValueError(f'img is an array of {image.dtype}: use uint8, 0 to 255')
    if image.ndim == 3 and image.shape[2] == 3:
        return image
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    if image.ndim == 3 and image.shape[2] == 4:
        return flatten(Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA)), background)
    raise ValueError(f'img is an array {image.shape}, not (height,width) or with 1, 3, 4 channels')

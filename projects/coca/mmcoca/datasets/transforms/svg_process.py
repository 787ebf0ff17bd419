# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The program that `svg.py` runs to draw SVG, without a way to open anything.

resvg draws in one call that nothing in its process can end. Here the kernel does, and refuses to
open files and connections, whatever a drawing asks for. It imports little, to start at once.

Arguments: seconds of processor time a drawing, bytes of memory. The standard input is a socket to
the caller, for `Connection`: each drawing is two messages, its size in pixels and background, and
the content of its file. The answer is a PNG, or the reason why there is none, in UTF-8.
"""

from __future__ import annotations

import io
import math
import os
import re
import resource
import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from xml.sax import SAXParseException, expatreader
from xml.sax.saxutils import XMLGenerator

import resvg_py

LENGTH = re.compile(r'\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(px|pt|pc|mm|cm|in|em|ex)?\s*')
DPI = 96  # of CSS
PIXELS = dict(px=1, pt=DPI / 72, pc=DPI / 6, mm=DPI / 25.4, cm=DPI / 2.54, em=16, ex=8)
PIXELS['in'] = DPI
WITHOUT_SIZE = (300, 150)  # what CSS gives a picture that tells none
WITHIN_FILE = re.compile(r'\s*(#|data:image/(png|jpe?g|gif|webp)(;[\w=-]+)*,)', re.IGNORECASE)
NOT_WITHIN = 'which is neither a part of the file nor a PNG, JPEG, GIF or WebP in it'
SHOWS_WHAT_IT_NAMES = ('image', 'feImage', 'use')


def main() -> None:
    """Draw until the caller is gone."""
    seconds, memory = map(int, sys.argv[1:])
    caller = Connection(sys.stdin.fileno())
    give_up_rights(memory)
    with suppress(EOFError):
        while True:
            size, background = caller.recv_bytes().decode().split()
            data = caller.recv_bytes()
            signal.setitimer(signal.ITIMER_PROF, seconds)  # SIGPROF ends the process
            answer = draw(data, int(size), background)
            signal.setitimer(signal.ITIMER_PROF, 0)
            caller.send_bytes(answer)


def give_up_rights(memory: int) -> None:
    """Open no more files or sockets, take no more memory than that, be silent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the caller
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # Rust prints why it panics
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError):  # macOS knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def draw(data: bytes, size: int, background: str) -> bytes:
    """The content of an SVG file -> a PNG whose longer side has `size` pixels, or why not."""
    try:
        return resvg_py.svg_to_bytes(
            svg_string=rewritten(data, size),
            background=background,
            dpi=DPI,
            skip_system_fonts=True,
        )
    except SAXParseException as error:
        reason = f'line {error.getLineNumber()}: {error.getMessage()}'
    except BaseException as error:  # a panic of Rust is no Exception
        reason = str(error) or type(error).__name__
    return reason.encode(errors='replace')


def rewritten(data: bytes, size: int) -> str:
    """SVG of the size in pixels, without what lies outside of the file, DTD and entities.

    What has been looked at is written anew, so that a second parser has nothing to find in it.
    """
    text = io.StringIO()
    parser = expatreader.create_parser()  # opens no external entities
    parser.setContentHandler(Rewriter(text, size))
    parser.feed(data.removeprefix(b'\xef\xbb\xbf').strip())
    parser.close()
    return text.getvalue()


class Rewriter(XMLGenerator):
    """Writes the elements that it is told of. Raises ValueError for what cannot be drawn."""

    def __init__(self, text: io.StringIO, size: int) -> None:
        super().__init__(text, 'utf-8')
        self.size = size
        self.has_root = False

    def startElement(self, name: str, attrs: dict[str, str]) -> None:
        """Write the start of an element, without references out of the file."""
        tag = local_name(name)
        attributes = dict(attrs.items())
        for key, value in attrs.items():
            if local_name(key) == 'href' and not WITHIN_FILE.match(value):
                if tag in SHOWS_WHAT_IT_NAMES:
                    raise ValueError(f'it shows {value[:80]!r}, {NOT_WITHIN}')
                del attributes[key]
        if not self.has_root:
            if tag != 'svg':
                raise ValueError(f'it is XML of <{name}>, not of <svg>')
            self.has_root = True
            attributes.update(sized(attributes, self.size))
        super().startElement(name, attributes)


def local_name(name: str) -> str:
    """A name of XML without the prefix of its namespace."""
    return name.rpartition(':')[2]


def sized(root: dict[str, str], size: int) -> dict[str, str]:
    """Attributes of <svg> -> those that draw the same with `size` pixels on the longer side.

    Raises ValueError for a width or height that is not positive.
    """
    box = view_box(root.get('viewBox', ''))
    width, height = pixels(root.get('width', '')), pixels(root.get('height', ''))
    if box is None:
        width, height = (
            side if side is not None else default
            for side, default in zip((width, height), WITHOUT_SIZE)
        )
        box = (0, 0, width, height)
    elif width is None and height is None:
        width, height = box[2:]
    elif width is None:
        width = height * box[2] / box[3]
    elif height is None:
        height = width * box[3] / box[2]
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise ValueError(f'its size is {width:g} x {height:g}')
    longer = max(width, height)
    fills = math.isclose(width * box[3], height * box[2])
    return dict(
        # What fills the picture does so when its sides are whole pixels, too.
        preserveAspectRatio='none' if fills else root.get('preserveAspectRatio', 'xMidYMid'),
        width=str(max(1, round(size * (width / longer)))),
        height=str(max(1, round(size * (height / longer)))),
        viewBox=' '.join(map(repr, box)),
    )


def view_box(text: str) -> tuple[float, ...] | None:
    """Left, top, width and height of a viewBox; None for none."""
    try:
        box = tuple(map(float, re.split(r'[\s,]+', text.strip())))
    except ValueError:
        return None
    valid = len(box) == 4 and all(map(math.isfinite, box)) and min(box[2:]) > 0
    return box if valid else None


def pixels(text: str) -> float | None:
    """A length of CSS in pixels; None for one that depends on what is around the drawing."""
    match = LENGTH.fullmatch(text)
    return float(match[1]) * PIXELS[match[2] or 'px'] if match else None


if __name__ == '__main__':
    main()

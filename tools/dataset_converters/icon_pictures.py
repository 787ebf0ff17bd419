# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""An icon as a small PNG file, with the signature by which its twins are found."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from icon_drawings import Drawing
from icon_twins import signature
from svg_rendering import render_svg

FAINT = 16
COMPRESS_LEVEL = 3  # of zlib: a larger one takes twice the time for a tenth less


class Picture(NamedTuple):
    png: bytes
    signature: np.ndarray


class Pictured(NamedTuple):
    drawing: Drawing
    picture: Picture


def draw(job: tuple[str, bool], size: int) -> Picture | None:
    """An SVG, and whether it is coloured -> its picture; None where nothing is to be seen."""
    svg, coloured = job
    try:
        image = render_svg(svg, size)
    except ValueError:
        return None
    grey = image.convert('L')
    darkest, lightest = grey.getextrema()
    if lightest - darkest < FAINT:
        return None
    file = io.BytesIO()
    picture = image.convert('RGB') if coloured else grey
    picture.save(file, 'png', compress_level=COMPRESS_LEVEL)
    return Picture(file.getvalue(), signature(grey))

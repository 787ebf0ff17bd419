# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Drawings that are the same but for size, place and line width.

N, M drawings. A signature is a grey picture of 16 x 16 pixels, mean-free and of length one, so that
the product of two is their correlation.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

SIDE = 16
BLUR = 0.7  # pixels of the signature: the width of lines tells little
# The picture ends this far outside the middle of the outermost lines, as wide as these may be.
MARGIN = 0.15
WIDEST_LINE = 0.2
INK = 0.2
TWINS = 0.95
NEAR_SAME = 0.98
BLOCK = 4096


def signature(grey: Image.Image) -> np.ndarray:
    """A square picture, dark on white -> (256,), zeros where nothing is on it."""
    ink = 1 - np.asarray(grey, np.float32) / 255
    ink /= max(ink.max(), 1 / 255)
    rows, columns = (np.flatnonzero((ink > INK).any(axis)) for axis in (1, 0))
    if not rows.size:
        return np.zeros(SIDE * SIDE, np.float16)
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    half = (extent - min(line_width(ink), WIDEST_LINE * extent)) * (1 + MARGIN) / 2
    x, y = ((i[0] + i[-1] + 1) / 2 + grey.width for i in (columns, rows))
    canvas = Image.new('L', (3 * grey.width, 3 * grey.height), 255)
    canvas.paste(grey, grey.size)
    box = (x - half, y - half, x + half, y + half)
    small = canvas.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box)
    picture = np.asarray(small.filter(ImageFilter.GaussianBlur(BLUR)), np.float32).ravel()
    picture = picture - picture.mean()
    return (picture / max(np.linalg.norm(picture), 1e-3)).astype(np.float16)


def line_width(ink: np.ndarray) -> float:
    """Twice area over outline, in pixels: the width of the lines where there are only lines."""
    edges = sum(np.abs(np.diff(ink, axis=axis)).sum() for axis in (0, 1))
    outline = edges * np.pi / 4  # a line at an angle counts in both directions
    return 2 * ink.sum() / outline if outline else np.inf


def highest_correlations(of: np.ndarray, among: np.ndarray) -> np.ndarray:
    """(N, 256), (M, 256) -> (N,): with the most similar of the M."""
    among = among.astype(np.float32).T
    blocks = [
        (of[i:i + BLOCK].astype(np.float32) @ among).max(1, initial=-1)
        for i in range(0, len(of), BLOCK)
    ]
    return np.concatenate(blocks) if blocks else np.empty(0, np.float32)


def distinct(signatures: np.ndarray) -> list[int]:
    """The rows of (N, 256) that are not nearly the same as one kept before."""
    correlations = signatures.astype(np.float32) @ signatures.astype(np.float32).T
    kept = []
    for i, row in enumerate(correlations):
        if row[kept].max(initial=-1) <= NEAR_SAME:
            kept.append(i)
    return kept

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Drawing of one scene: icons at random places on a textured background."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from pycocotools import mask as coco_mask

JPEG_QUALITY = 92
SIDES = (36, 88)  # pixels of a pasted drawing, the smallest and the largest
MARGIN = 2  # pixels between two boxes, and beside the border
TRIES = 30  # at a free place for a drawing, which is left out if none is found
DARKEST_PAPER = 24  # levels below white at which a pixel is drawn
GREY_LEVELS = 12  # between the channels, beyond which a drawing has colours


class Job(NamedTuple):
    """A scene to be drawn: pictures as PNG bytes with their categories, and a seed."""

    pictures: Sequence[tuple[bytes, int]]
    seed: tuple[int, ...]
    size: int


class Pasted(NamedTuple):
    """A drawing in a scene: category, box (x, y, width, height), area and mask as COCO's RLE."""

    category: int
    box: list[int]
    area: int
    mask: dict


def draw_scene(job: Job) -> tuple[bytes, list[Pasted]]:
    """A scene as JPEG, and what is in it. No two boxes overlap."""
    random = np.random.default_rng(job.seed)
    scene, lightness = texture(random, job.size)
    is_free = np.zeros((job.size, job.size), bool)
    is_free[MARGIN:-MARGIN, MARGIN:-MARGIN] = True
    found = []
    for png, category in job.pictures:
        picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        colour, opacity = ink(random, turned(random, picture), lightness)
        mask = silhouette(opacity)
        place = free_place(random, is_free, mask)
        if place is None:
            continue
        left, top, width, height = box = place_of(mask, *place)
        paste(scene, colour, opacity, *place)
        whole = np.zeros((job.size, job.size), np.uint8)
        whole[place[1]:place[1] + len(mask), place[0]:place[0] + len(mask)] = mask
        is_free[max(0, top - MARGIN):top + height + MARGIN,
                max(0, left - MARGIN):left + width + MARGIN] = False
        rle = coco_mask.encode(np.asfortranarray(whole))
        rle['counts'] = rle['counts'].decode('ascii')
        found.append(Pasted(category, box, int(whole.sum()), rle))
    done, data = cv2.imencode(
        '.jpg',
        scene.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    assert done
    return data.tobytes(), found


def texture(random: np.random.Generator, size: int) -> tuple[np.ndarray, float]:
    """A background (size,size,3), smooth noise of several scales, and its mean level."""
    image = np.zeros((size, size, 3), np.float32)
    for cells in (2, 5, 12, 40):
        noise = random.normal(size=(cells, cells, 3)).astype(np.float32)
        noise += 2 * random.normal(size=(cells, cells, 1)).astype(np.float32)
        image += cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC) / cells**0.5
    image *= random.uniform(5, 16) / image.std()
    level = random.choice([random.uniform(40, 90), random.uniform(165, 225)])
    image += level + random.uniform(-25, 25, size=3).astype(np.float32) - image.mean()
    return image, float(image.mean())


def turned(random: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """A drawing (height,width,3) on white, cut to its content, at a random size and angle."""
    rows, columns = np.nonzero((255 - picture.min(axis=2)) > DARKEST_PAPER)
    picture = picture[rows.min():rows.max() + 1, columns.min():columns.max() + 1]
    height, width = picture.shape[:2]
    side = int(random.integers(*SIDES))
    scale = 0.9 * side / max(height, width)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), random.uniform(-12, 12), scale)
    matrix[:, 2] += side / 2 - np.array([width / 2, height / 2])
    return cv2.warpAffine(
        picture, matrix, (side, side), flags=cv2.INTER_AREA, borderValue=(255, 255, 255)
    )


def ink(random: np.random.Generator, picture: np.ndarray,
        lightness: float) -> tuple[np.ndarray, np.ndarray]:
    """What is pasted of a drawing: colours (side,side,3) and opacity (side,side) from 0 to 1.

    Lines of one grey get a random colour that the background (of this mean level) does not have; a
    drawing in colours keeps them, and is opaque within its outline.
    """
    darkness = 1 - picture.min(axis=2).astype(np.float32) / 255
    spread = picture.max(axis=2).astype(int) - picture.min(axis=2)
    if (spread > GREY_LEVELS).mean() > 0.02:
        return picture.astype(np.float32), np.maximum(darkness, silhouette(darkness))
    colour = random.uniform(0, 110, 3) if lightness > 128 else random.uniform(150, 255, 3)
    return np.broadcast_to(colour.astype(np.float32), picture.shape), darkness


def silhouette(opacity: np.ndarray) -> np.ndarray:
    """All within the outer outlines of what is drawn (side,side), 0 or 1."""
    drawn = (opacity > DARKEST_PAPER / 255).astype(np.uint8)
    outlines, _ = cv2.findContours(drawn, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros_like(drawn), outlines, -1, 1, cv2.FILLED)


def place_of(mask: np.ndarray, left: int, top: int) -> list[int]:
    """The box (x, y, width, height) of a mask that is pasted there."""
    rows, columns = np.nonzero(mask)
    x, y = int(columns.min()), int(rows.min())
    return [left + x, top + y, int(columns.max()) - x + 1, int(rows.max()) - y + 1]


def free_place(random: np.random.Generator, is_free: np.ndarray,
               mask: np.ndarray) -> tuple[int, int] | None:
    """Left and top where the mask's box is free, or None if no try has found one."""
    side, size = len(mask), len(is_free)
    for _ in range(TRIES):
        left, top = random.integers(0, size - side + 1, size=2).tolist()
        x, y, width, height = place_of(mask, left, top)
        if is_free[y:y + height, x:x + width].all():
            return left, top
    return None


def paste(scene: np.ndarray, colour: np.ndarray, opacity: np.ndarray, left: int, top: int) -> None:
    """Lay a drawing over a part of the scene."""
    side = len(opacity)
    part = scene[top:top + side, left:left + side]
    part += opacity[..., None] * (colour - part)

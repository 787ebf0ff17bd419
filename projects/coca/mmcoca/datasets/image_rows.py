# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Which rows of an annotation file are of one image."""

from __future__ import annotations

import os.path as osp
from collections import defaultdict
from itertools import count


def give_image_ids(items: list[dict]) -> list[str]:
    """Fill in each missing `image_id`, the same for rows of one image; returns what is wrong.

    An image is known by its id where it has one, else by its path, however that is written: then it
    gets the id of another row with this path, or a number that is no id yet.

    Args:
        items: With `row`, `img_path` and `image_id`, None where the file has none.
    """
    first, problems = {}, []
    id_of_place = {}
    for item in items:
        image_id = item['image_id']
        if image_id is None:
            continue
        other = first.setdefault(image_id, item)
        if place_of(other) != place_of(item):
            problems.append(
                f"{item['row']}: image id {image_id!r} is of {item['img_path']} here, but of "
                f"{other['img_path']} in {other['row']}"
            )
        id_of_place.setdefault(place_of(item), image_id)
    numbers = (number for number in count() if number not in first)
    for item in items:
        if item['image_id'] is None:
            place = place_of(item)
            if place not in id_of_place:
                id_of_place[place] = next(numbers)
            item['image_id'] = id_of_place[place]
    return problems


def several_ids(items: list[dict]) -> list[str]:
    """The images, by their path, that have more than one `image_id`."""
    ids = defaultdict(set)
    for item in items:
        ids[place_of(item)].add(item['image_id'])
    return [place for place, of_place in ids.items() if len(of_place) > 1]


def place_of(item: dict) -> str:
    """An image's path without detours: a/./b.png and a/c/../b.png are a/b.png."""
    path = item['img_path']
    return path if '://' in path else osp.normpath(path)


def merge_images(items: list[dict]) -> list[dict]:
    """Rows with lists in `gt_caption` -> one item an image, in the order of their first rows."""
    images = {}
    for item in items:
        image = images.setdefault(item['image_id'], dict(item, gt_caption=[]))
        image['gt_caption'] = image['gt_caption'] + item['gt_caption']
    return list(images.values())

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Readers of image-text annotation files: COCO-caption JSON, JSON Lines, CSV and TSV."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mmcoca.errors import MissingFileError


class AnnotationError(ValueError):
    """Something in an annotation file is wrong: the message names file and row."""


class Row(NamedTuple):
    """One image with its captions, as the file gives them: nothing is checked yet."""

    label: str  # where it stands, for messages
    image: Any
    captions: Any
    image_id: Any


def read_coco_captions(path: Path, image_key: str, caption_key: str) -> Iterator[Row]:
    """COCO-caption JSON: `images` with `id`, `file_name`; `annotations` with `id`, `image_id`."""
    from pycocotools.coco import COCO

    coco = COCO()
    try:
        coco.dataset = json.loads(path.read_text(encoding='utf-8-sig'))
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
            coco.createIndex()
        images, captions_of = coco.imgs, coco.imgToAnns
        if not images:
            raise KeyError('images')
    except json.JSONDecodeError as error:
        raise AnnotationError(
            f'{path} line {error.lineno} column {error.colno}: invalid JSON: {error.msg}'
        ) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise AnnotationError(
            f'{path}: not COCO-caption JSON: needs "images" with "id" and "file_name", and '
            f'"annotations" with "id", "image_id" and "caption" ({type(error).__name__}: {error})'
        ) from error
    for annotation in coco.dataset.get('annotations', ()):
        if annotation['image_id'] not in images:
            raise AnnotationError(
                f'{path} annotation {annotation.get("id")}: there is no image '
                f'{annotation["image_id"]}'
            )
    for image_id, image in images.items():
        captions = [annotation.get(caption_key) for annotation in captions_of[image_id]]
        yield Row(f'image {image_id}', image.get(image_key), captions, image_id)


def read_json_lines(path: Path, image_key: str, caption_key: str) -> Iterator[Row]:
    """JSON Lines: an object a line, its caption a string or a list of strings."""
    with path.open(encoding='utf-8-sig') as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise AnnotationError(
                    f'{path} line {number} column {error.colno}: invalid JSON: {error.msg}'
                ) from error
            if not isinstance(row, dict):
                raise AnnotationError(f'{path} line {number}: not a JSON object')
            for key in (image_key, caption_key):
                if key not in row:
                    raise AnnotationError(
                        f"{path} line {number}: no '{key}' among {', '.join(row) or 'no keys'}"
                    )
            yield Row(f'line {number}', row[image_key], row[caption_key], row.get('image_id'))


def read_table(path: Path, image_key: str, caption_key: str, delimiter: str) -> Iterator[Row]:
    """CSV or TSV with a header line; rows of one image need not stand together."""
    with path.open(encoding='utf-8-sig', newline='') as file:
        reader = csv.DictReader(file, delimiter=delimiter)
        columns = reader.fieldnames or []
        for key in (image_key, caption_key):
            if key not in columns:
                raise AnnotationError(
                    f"{path} line 1: no column '{key}' among {', '.join(columns) or 'no columns'}"
                )
        try:
            for row in reader:
                label = f'line {reader.line_num}'
                if None in row:
                    raise AnnotationError(f'{path} {label}: more fields than the header has')
                yield Row(label, row[image_key], row[caption_key], row.get('image_id'))
        except csv.Error as error:
            raise AnnotationError(f'{path} line {reader.line_num}: {error}') from error


def read_csv(path: Path, image_key: str, caption_key: str) -> Iterator[Row]:
    """Comma-separated values."""
    return read_table(path, image_key, caption_key, delimiter=',')


def read_tsv(path: Path, image_key: str, caption_key: str) -> Iterator[Row]:
    """Tab-separated values."""
    return read_table(path, image_key, caption_key, delimiter='\t')


class FileFormat(NamedTuple):
    """How to read files of one ending, and which names their columns have by default."""

    read: Callable[[Path, str, str], Iterator[Row]]
    image_key: str
    caption_key: str


FORMATS = {
    '.json': FileFormat(read_coco_captions, 'file_name', 'caption'),
    '.jsonl': FileFormat(read_json_lines, 'image', 'caption'),
    '.csv': FileFormat(read_csv, 'image', 'caption'),
    '.tsv': FileFormat(read_tsv, 'image', 'caption'),
}


def read_annotations(
    path: str | Path,
    image_key: str | None = None,
    caption_key: str | None = None
) -> Iterator[Row]:
    """Rows of an annotation file, its format told by the ending.

    Raises FileNotFoundError without the file, AnnotationError naming file and row for what is wrong
    in it.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise AnnotationError(
            f"{path}: unknown ending '{path.suffix}': use one of {', '.join(FORMATS)}"
        )
    if not path.is_file():
        raise MissingFileError(f'annotation file {path} does not exist')
    file_format = FORMATS[path.suffix]
    try:
        yield from file_format.read(
            path, image_key or file_format.image_key, caption_key or file_format.caption_key
        )
    except UnicodeDecodeError as error:
        raise AnnotationError(f'{path}: not UTF-8 text (byte {error.start})') from error

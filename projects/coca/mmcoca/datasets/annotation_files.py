# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Readers of image-text annotation files: COCO-caption JSON, JSON Lines, CSV and TSV."""

from __future__ import annotations

import contextlib
import csv
import html
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import regex

from mmcoca.errors import MissingFileError

HALF_CHARACTER = regex.compile(r'[\ud800-\udfff]')
# Unicode counts Braille's blank as a symbol; CLIP's tokenizer makes nothing of the last two.
VISIBLE = regex.compile(
    r'[^\p{Cc}\p{Cf}\p{Cs}\p{Z}\p{Default_Ignorable_Code_Point}\u2800\u0345\ufffc]'
)

QUOTED = regex.compile(r'"[^"]*(""[^"]*)+"')


class AnnotationError(ValueError):
    """Something in an annotation file is wrong: the message names file and row."""


class Row(NamedTuple):
    """An image with captions, as the file gives them: nothing is checked yet."""

    label: str  # where it stands, for messages
    image: Any
    captions: Any
    image_id: Any


def text_problem(text: Any) -> str | None:
    """Why something is no text that a tokenizer takes, or None; HTML's entities are resolved."""
    if not isinstance(text, str):
        return f'is {text!r}, not a string'
    if not text.strip():
        return 'is empty'
    if text.isascii() and text.isprintable() and '&' not in text:
        return None  # a short cut for most
    if HALF_CHARACTER.search(text):
        return f'is {text!r}, with half a character (a surrogate without its partner)'
    visible = html.unescape(html.unescape(text)) if '&' in text else text
    return None if VISIBLE.search(visible) else f'is {text!r}, without a visible character'


def one_line(text: str) -> str:
    """A text without blanks at its ends, and with a single one wherever it has any.

    Texts that differ in nothing else are the same one to a tokenizer and to Recall@K.
    """
    return ' '.join(text.split())


def id_problem(image_id: Any) -> str | None:
    """Why something is no id of an image, or None."""
    if isinstance(image_id, bool) or not isinstance(image_id, (int, str)):
        return f'the image id is {image_id!r}, neither a whole number nor a text'
    return None


def read_text(path: str | Path) -> str:
    """The content of a text file. Raises AnnotationError if it is not UTF-8."""
    try:
        return Path(path).read_text('utf-8-sig')
    except UnicodeDecodeError as error:
        raise AnnotationError(f'{path}: not UTF-8 text (byte {error.start})') from error


def parse_json(text: str, path: str | Path, line: int | None = None) -> Any:
    """Parsed JSON. Raises AnnotationError, naming file and line, for what is none.

    Args:
        path: The file it comes from. line: The only line of it that this is.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f'{path} line {line or error.lineno} column {error.colno}'
        raise AnnotationError(f'{place}: invalid JSON: {error.msg}') from error
    except (ValueError, RecursionError) as error:  # a number too long, lists nested too deeply
        place = f'{path} line {line}' if line else path
        raise AnnotationError(f'{place}: invalid JSON: {error}') from error


def read_coco_captions(path: Path, image_key: str, caption_key: str) -> Iterator[Row]:
    """COCO-caption JSON: `images` with `id`, `file_name`; `annotations` with `id`, `image_id`."""
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = parse_json(read_text(path), path)
    try:
        check_coco_ids(path, coco.dataset['images'], coco.dataset.get('annotations', ()))
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
            coco.createIndex()
        images, captions_of = coco.imgs, coco.imgToAnns
        if not images:
            raise KeyError('images')
    except (KeyError, TypeError, AttributeError) as error:
        raise AnnotationError(
            f'{path}: not COCO-caption JSON: needs "images" with "id" and "file_name", and '
            f'"annotations" with "id", "image_id" and "caption" ({type(error).__name__}: {error})'
        ) from error
    for image_id, image in images.items():
        captions = [annotation.get(caption_key) for annotation in captions_of[image_id]]
        yield Row(f'image {image_id}', image.get(image_key), captions, image_id)


def check_coco_ids(path: Path, images: list[dict], annotations: list[dict]) -> None:
    """Raise AnnotationError for an image's id that is none or not unique, or of no image."""
    image_ids = [image['id'] for image in images]
    for image_id in image_ids:
        if id_problem(image_id):
            raise AnnotationError(f'{path}: {id_problem(image_id)}')
    for image_id, count in Counter(image_ids).items():
        if count > 1:
            raise AnnotationError(f'{path}: {count} images have the id {image_id!r}')
    known = set(image_ids)
    for annotation in annotations:
        image_id = annotation['image_id']
        if id_problem(image_id) or image_id not in known:
            raise AnnotationError(
                f'{path} annotation {annotation.get("id")}: there is no image {image_id!r}'
            )


def read_json_lines(path: Path, image_key: str, caption_key: str) -> Iterator[Row]:
    """JSON Lines: an object a line, its caption a string or a list of strings."""
    with path.open(encoding='utf-8-sig') as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            row = parse_json(line, path, number)
            if not isinstance(row, dict):
                raise AnnotationError(f'{path} line {number}: not a JSON object')
            for key in (image_key, caption_key):
                if key not in row:
                    raise AnnotationError(
                        f"{path} line {number}: no '{key}' among {', '.join(row) or 'no keys'}"
                    )
            yield Row(f'line {number}', row[image_key], row[caption_key], row.get('image_id'))


def read_table(path: Path, image_key: str, caption_key: str, **dialect) -> Iterator[Row]:
    """CSV or TSV with a header line; rows of one image need not stand together."""
    with path.open(encoding='utf-8-sig', newline='') as file:
        reader = csv.DictReader(file, **dialect)
        first_line = 1  # of the row that is read
        try:
            columns = reader.fieldnames or []
            for key in (image_key, caption_key):
                if columns.count(key) != 1:
                    problem = 'two columns' if key in columns else 'no column'
                    separators = 'tabs' if dialect.get('delimiter') == '\t' else 'commas'
                    hint = f': are they separated by {separators}?' if len(columns) == 1 else ''
                    raise AnnotationError(
                        f"{path} line 1: {problem} '{key}' among "
                        f"{', '.join(columns) or 'no columns'}{hint}"
                    )
            first_line = reader.line_num + 1
            for row in reader:
                label = f'line {reader.line_num}'
                if None in row:
                    raise AnnotationError(f'{path} {label}: more fields than the header has')
                yield Row(label, row[image_key], row[caption_key], row.get('image_id'))
                first_line = reader.line_num + 1
        except csv.Error as error:
            hint = ''
            if dialect.get('quoting') != csv.QUOTE_NONE:
                hint = ' (a field that begins with " ends with ", and each " within is doubled)'
            raise AnnotationError(f'{path} line {first_line}: {error}{hint}') from error


def read_csv(path: Path, image_key: str, caption_key: str) -> Iterator[Row]:
    """Comma-separated values; a field in quotes may hold commas and newlines.

    A quote that does not close is an error: it would swallow the rows below.
    """
    return read_table(path, image_key, caption_key, strict=True)


def read_tsv(path: Path, image_key: str, caption_key: str) -> Iterator[Row]:
    """Tab-separated values, a row a line: a quote is a character like any other.

    Only a field with doubled quotes in quotes, as spreadsheets and Python's csv write "a ""b"" c",
    is the text a "b" c.
    """
    rows = read_table(path, image_key, caption_key, delimiter='\t', quoting=csv.QUOTE_NONE)
    for row in rows:
        if row.captions and '""' in row.captions and QUOTED.fullmatch(row.captions):
            row = row._replace(captions=row.captions[1:-1].replace('""', '"'))
        yield row


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
        raise MissingFileError.of('annotation file', path)
    file_format = FORMATS[path.suffix]
    try:
        yield from file_format.read(
            path, image_key or file_format.image_key, caption_key or file_format.caption_key
        )
    except UnicodeDecodeError as error:
        raise AnnotationError(f'{path}: not UTF-8 text (byte {error.start})') from error

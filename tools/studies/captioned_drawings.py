# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Drawings and their captions, of an annotation file in COCO's form."""

import json
from pathlib import Path

from mmcoca.errors import MissingFileError


def captioned_drawings(annotations: Path, images: Path) -> list[tuple[Path, str]]:
    """A pair of each annotation, the drawing's file below a folder of images. Raises UserError."""
    if not annotations.is_file():
        raise MissingFileError.of('annotation file', annotations)
    content = json.loads(annotations.read_text(encoding='utf-8'))
    files = {image['id']: images / image['file_name'] for image in content['images']}
    return [(files[a['image_id']], a['caption']) for a in content['annotations']]

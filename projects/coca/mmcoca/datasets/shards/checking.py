# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What is wrong with a shard."""

from __future__ import annotations

from collections.abc import Mapping

from ..annotation_files import AnnotationError
from .image_text_shards import Fault, ImageTextShards

PIPELINE = [dict(type='mmcoca.LoadImage')]


def check_shard(shard: str, caption_key: str | Mapping[str, float] | None,
                cache_dir: str) -> tuple[int, list[tuple[str, str]]]:
    """Read each sample as training would -> how many there are; kind and place of each fault."""
    try:
        data = ImageTextShards([shard], PIPELINE, caption_key, cache_dir=cache_dir)
    except AnnotationError as error:
        return 0, [('no samples', str(error))]
    faults = list(data.shard_faults)
    for number in range(len(data)):
        try:
            data.prepare_data(number)
        except Fault as fault:
            faults.append((fault.kind, str(fault)))
    return len(data), faults

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What is wrong with a shard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .image_text_shards import Fault, ImageTextShards, reason_of
from .shard_cache import ShardCache

PIPELINE = [dict(type='mmcoca.LoadImage')]


def check_shard(shard: str, caption_key: str | Mapping[str, float] | None,
                cache_dir: str) -> tuple[int, list[tuple[str, str]]]:
    """Read each sample with all its captions -> how many there are; kind and place of each fault.
    """
    try:
        index = ShardCache(Path(cache_dir).expanduser()).index_of(shard)
    except OSError as error:
        return 0, [('unreadable shard', reason_of(shard, error))]
    faults = list(index.faults)
    if not len(index.samples):
        return 0, faults or [('no samples', shard)]
    data = ImageTextShards([shard], PIPELINE, caption_key, max_unreadable=1, cache_dir=cache_dir)
    data.test_mode = True  # for all captions
    for number in range(len(data)):
        try:
            data.prepare_data(number)
        except Fault as fault:
            faults.append((fault.kind, fault.where))
    return len(data), faults

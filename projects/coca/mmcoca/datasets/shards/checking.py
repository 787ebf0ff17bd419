# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What is wrong with a shard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from .image_text_shards import Fault, ImageTextShards, reason_of
from .shard_cache import ShardCache
from .tar_index import named_faults

PIPELINE = [dict(type='mmcoca.LoadImage')]


class Checked(NamedTuple):
    """A shard's number of samples, kind and place of each fault, and which caption keys it has."""

    num_samples: int
    faults: list[tuple[str, str]]
    keys: set[str]


def check_shard(
    shard: str, caption_key: str | Mapping[str, float] | None, cache_dir: str
) -> Checked:
    """Read each sample with all its captions."""
    try:
        index = ShardCache(Path(cache_dir).expanduser()).index_of(shard)
    except OSError as error:
        return Checked(0, [('unreadable shard', reason_of(shard, error))], set())
    faults = named_faults(shard, index.faults)
    if not len(index.samples):
        return Checked(0, faults or [('no samples', shard)], set())
    data = ImageTextShards([shard], PIPELINE, caption_key, max_unreadable=1, cache_dir=cache_dir)
    data.test_mode = True  # for all captions
    keys = set()
    for number in range(len(data)):
        if isinstance(caption_key, Mapping):
            keys |= data.keys_of(number)
        try:
            data.prepare_data(number)
        except Fault as fault:
            faults.append((fault.kind, fault.where))
    return Checked(len(data), faults, keys)

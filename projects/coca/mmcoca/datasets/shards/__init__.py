# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .checking import check_shard
from .image_label_shards import ImageLabelShards
from .image_text_shards import CACHE, Fault, ImageTextShards
from .shard_cache import ShardCache
from .shard_names import expand
from .tar_index import IMAGE_ENDINGS, ShardIndex, index_path, read_index, write_index
from .writing import ShardSample, write_shard

__all__ = [
    'CACHE',
    'IMAGE_ENDINGS',
    'Fault',
    'ImageLabelShards',
    'ImageTextShards',
    'ShardCache',
    'ShardIndex',
    'ShardSample',
    'check_shard',
    'expand',
    'index_path',
    'read_index',
    'write_index',
    'write_shard',
]

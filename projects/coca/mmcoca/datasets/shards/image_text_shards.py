# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Pairs of images and captions in tar shards, as img2dataset and webdataset write them."""

from __future__ import annotations

import json
import os
import random
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import Compose
from mmengine.dist import barrier, get_dist_info
from mmengine.logging import print_log
from torch.utils.data import Dataset

from mmcoca.errors import SettingError
from mmcoca.registry import DATASETS

from ..annotation_files import AnnotationError, text_problem
from ..faults import CountsFaults, FaultLog, Faults, listing
from ..transforms import UnreadableImageError
from .shard_files import GIB, ShardCache, expand
from .tar_index import BLOCK, ShardIndex

FAULTS = (
    'unreadable shard',
    'invalid JSON',
    'missing caption',
    'empty caption',
    'unreadable image',
)
FIRST = 0.0  # a weight: the key counts where it is the first that a sample has
OPEN_SHARDS = 64  # of a process
MAX_TRIES = 1000  # items in a row that cannot be read
CACHE = '~/.cache/mmcoca/shards'


class Fault(Exception):
    """A sample cannot be read: one of FAULTS, and where."""

    def __init__(self, kind: str, place: str, reason: object = '') -> None:
        super().__init__(f'{place}: {kind}' + (f' ({reason})' if reason else ''))
        self.kind = kind


class OpenShard:
    """A shard's file with the places of its samples."""

    def __init__(self, name: str, path: Path, samples: np.ndarray) -> None:
        self.name = name
        self.samples = samples
        self._file = open(path, 'rb')

    def read(self, place: int, size: int) -> bytes:
        """Bytes of the file, whatever other processes read of it meanwhile."""
        return os.pread(self._file.fileno(), size, place)

    def image(self, number: int) -> tuple[str, bytes]:
        """Name and content of a sample's image."""
        sample = self.samples[number]
        place, size = int(sample['image_place']), int(sample['image_size'])
        data = self.read(place - BLOCK, size + BLOCK)  # from its header on
        return data[:100].partition(b'\0')[0].decode(errors='replace'), data[BLOCK:]

    def text(self, number: int, part: str) -> bytes | None:
        """The content of a sample's 'txt' or 'json', or None."""
        sample = self.samples[number]
        size = int(sample[f'{part}_size'])
        return None if size < 0 else self.read(int(sample[f'{part}_place']), size)


@DATASETS.register_module()
class ImageTextShards(CountsFaults, Dataset):
    """Image-text pairs from tar shards: of each sample an image, and its captions in .json or .txt.

    Samples are read by their number, so that length, samplers and resuming are a plain data
    set's. For that the first use looks through each shard, whose index is then kept beside it.
    Memory grows with the number of shards, not of samples. TrainingSampler shuffles them shard by
    shard and within a window.

    In training an item is `img_bytes` (the image file's content), `img_path` (shard and member, for
    messages), `gt_caption` (one of the captions, drawn at each visit), `image_id` (its number). In
    testing (`test_mode=True`) `gt_caption` is the list of all.

    Args:
        shards: A path, a folder, a URL (http, https), or a list of such; with braces,
            'pairs/{00000..00417}.tar', and wildcards.
        pipeline: Transforms, the first of which reads the image.
        caption_key: Where the JSON has its captions, a text or a list of texts; or several keys
            with weights, `dict(caption=3, aliases=1)`: one of those that a sample has is drawn by
            weight, then one of its texts. 'txt' is the sample's .txt file. None: 'caption' of the
            JSON, or the .txt where that has none.
        test_mode: A faulty sample is an error.
        max_unreadable: The largest fraction of samples that may be faulty.
        cache_dir: Folder for copies of remote shards.
        cache_gib: Largest size of these copies together, in GiB (2**30 bytes).

    What cannot be read (a shard cut short or broken, invalid JSON, no or an empty caption, an image
    that does not decode) is skipped, a random other sample taken in its place, and counted by kind:
    UnreadableImagesHook reports it at the end of an epoch and stops past the limit.

    Raises AnnotationError on loading where there are no shards or no samples; SettingError for
    weights that choose nothing; UnreadableImageError in testing, naming shard and member.
    """

    metainfo: dict[str, Any] = {}

    def __init__(
        self,
        shards: str | Sequence[str],
        pipeline: Sequence[Mapping] = (),
        caption_key: str | Mapping[str, float] | None = None,
        test_mode: bool = False,
        max_unreadable: float = 0.01,
        cache_dir: str = CACHE,
        cache_gib: float = 50,
    ) -> None:
        self.names = expand(shards)
        self.pipeline = Compose(pipeline)
        if caption_key is None:
            caption_key = ('caption', 'txt')
        self._keys, self._weights = keys_and_weights(caption_key)
        self.test_mode = test_mode
        self.max_unreadable = max_unreadable
        self.fault_log = FaultLog(FAULTS)
        self._cache = ShardCache(Path(cache_dir).expanduser(), int(cache_gib * GIB))
        self.shard_faults: list[tuple[str, str]] = []
        self.shard_sizes = self._load_sizes()
        self._ends = np.cumsum(self.shard_sizes)
        self._open_shards: OrderedDict[int, OpenShard] = OrderedDict()
        self._log_loading()

    def full_init(self) -> None:
        """Nothing: MMEngine's wrappers call it."""

    def _load_sizes(self) -> np.ndarray:
        """Samples of each shard; processes share the work of a first look into them."""
        rank, world_size = get_dist_info()
        for name in self.names[rank::world_size] if world_size > 1 else ():
            self._index(name)
        barrier()
        self.shard_faults.clear()
        return np.array([len(self._index(name).samples) for name in self.names], np.int64)

    def _index(self, name: str) -> ShardIndex:
        """The index of a shard, without samples where that cannot be had."""
        try:
            index = self._cache.index_of(name)
        except OSError as error:
            index = ShardIndex(np.empty(0), [('unreadable shard', reason_of(name, error))], 0)
        self.shard_faults += index.faults
        return index

    def _log_loading(self) -> None:
        message = f'{self.fault_source()}: {len(self)} samples in {len(self.names)} shards'
        if self.shard_faults:
            message += f'; {len(self.shard_faults)} faults: {self._listed_shard_faults()}'
        if not len(self):
            raise AnnotationError(f'{message}: no image to read')
        print_log(message, 'current')

    def _listed_shard_faults(self) -> str:
        return listing([f'{place} ({kind})' for kind, place in self.shard_faults])

    def __len__(self) -> int:
        return int(self.shard_sizes.sum())

    def __getstate__(self) -> dict:  # files stay with their process
        return self.__dict__ | dict(_open_shards=OrderedDict())

    def __getitem__(self, index: int) -> Any:
        """A sample through the pipeline; in training another one where it cannot be read."""
        for _ in range(MAX_TRIES):
            try:
                return self.prepare_data(index)
            except Fault as fault:
                if self.test_mode:
                    raise UnreadableImageError(str(fault)) from fault
                self.fault_log.note_fault(index, fault.kind)
                index = random.randrange(len(self))
        raise UnreadableImageError(
            f'{MAX_TRIES} samples in a row: {self.fault_report(self.faults())}'
        )

    def prepare_data(self, index: int) -> Any:
        """Sample `index` through the pipeline. Raises Fault where it cannot be read."""
        item = self.get_data_info(index)
        loader, *transforms = self.pipeline.transforms or [dict]
        try:
            results = loader(item)
        except UnreadableImageError as error:
            raise Fault('unreadable image', item['img_path'], error) from error
        self.fault_log.note_visit()
        for transform in transforms:
            results = transform(results)
        return results

    def get_data_info(self, index: int) -> dict:
        """Sample `index` as the pipeline gets it. Raises IndexError, and Fault as `FAULTS`."""
        if not 0 <= index < len(self):
            raise IndexError(f'sample {index} of {len(self)}')
        number = int(np.searchsorted(self._ends, index, side='right'))
        shard = self._opened(number)
        of_shard = index - int(self._ends[number] - self.shard_sizes[number])
        try:
            member, image = shard.image(of_shard)
            place = f'{shard.name}/{member}'
            captions = self._captions(shard, of_shard, place)
        except OSError as error:
            raise Fault('unreadable shard', shard.name, error) from error
        return dict(img_bytes=image, img_path=place, gt_caption=captions, image_id=index)

    def _opened(self, number: int) -> OpenShard:
        """A shard, open; the one longest unused is closed."""
        if number in self._open_shards:
            self._open_shards.move_to_end(number)
            return self._open_shards[number]
        name = self.names[number]
        try:
            path = self._cache.path_of(name)
            samples = self._cache.index_of(name).samples
            if len(samples) != self.shard_sizes[number]:
                raise OSError('it has changed since training began')
            shard = OpenShard(name, path, samples)
        except OSError as error:
            raise Fault('unreadable shard', name, error) from error
        self._open_shards[number] = shard
        if len(self._open_shards) > OPEN_SHARDS:
            self._open_shards.popitem(last=False)
        return shard

    def _captions(self, shard: OpenShard, number: int, place: str) -> str | list[str]:
        """One of a sample's captions, or all in testing."""
        found = self._texts(shard, number, place)
        if self.test_mode:
            captions = [text for _, texts in found for text in texts]
        else:
            weights = [weight for weight, _ in found]
            ((_, texts), ) = random.choices(found, weights) if len(found) > 1 else found
            captions = [texts[0] if len(texts) == 1 else random.choice(texts)]
        for caption in captions:
            problem = text_problem(caption)
            if problem:
                raise Fault('empty caption', place, f'it {problem}')
        return captions if self.test_mode else captions[0]

    def _texts(self, shard: OpenShard, number: int, place: str) -> list[tuple[float, list]]:
        """Weight and texts of each key that a sample has."""
        record, found = None, []
        for key, weight in zip(self._keys, self._weights):
            if key == 'txt':
                content = shard.text(number, 'txt')
                texts = None if content is None else content.decode(errors='replace').strip()
            else:
                record = self._record(shard, number, place) if record is None else record
                texts = record.get(key)
            texts = [texts] if isinstance(texts, str) else texts
            if isinstance(texts, list) and texts:
                found.append((weight, texts))
                if weight == FIRST:
                    break
        if not found:
            raise Fault('missing caption', place, f'neither {" nor ".join(self._keys)}')
        return found

    @staticmethod
    def _record(shard: OpenShard, number: int, place: str) -> dict:
        """The JSON of a sample, empty where it has none."""
        content = shard.text(number, 'json')
        if content is None:
            return {}
        try:
            record = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise Fault('invalid JSON', place, error) from error
        if not isinstance(record, dict):
            raise Fault('invalid JSON', place, 'not an object')
        return record

    def fault_source(self) -> str:
        """The first shard, and how many more."""
        more = len(self.names) - 1
        return self.names[0] + (f' and {more} more' if more else '')

    def fault_place(self, item: int, kind: str) -> str:
        """Shard and member of a sample, and what is wrong."""
        number = int(np.searchsorted(self._ends, item, side='right'))
        try:
            of_shard = item - int(self._ends[number] - self.shard_sizes[number])
            return f'{self.names[number]}/{self._opened(number).image(of_shard)[0]} ({kind})'
        except (Fault, OSError):
            return f'{self.names[number]} ({kind})'

    def fault_report(self, faults: Faults) -> str:
        """A line on the faults of all processes, and on what the shards lacked from the start."""
        report = super().fault_report(faults)
        if self.shard_faults:
            report += f'; of the shards: {self._listed_shard_faults()}'
        return report


def keys_and_weights(caption_key: str | Sequence[str] | Mapping[str, float]) -> tuple:
    """Keys with weights. Raises SettingError for weights that choose nothing."""
    if isinstance(caption_key, str):
        return (caption_key, ), (1.0, )
    if not isinstance(caption_key, Mapping):
        return tuple(caption_key), (FIRST, ) * len(caption_key)
    if not caption_key or not all(
        isinstance(weight, (int, float)) and weight > 0 for weight in caption_key.values()
    ):
        raise SettingError(f'caption_key={dict(caption_key)}: give each key a weight above 0')
    return tuple(caption_key), tuple(float(weight) for weight in caption_key.values())


def reason_of(name: str, error: OSError) -> str:
    """A shard, and why it cannot be read, once."""
    text = str(error.strerror or error)
    return text if name in text else f'{name}: {text}'

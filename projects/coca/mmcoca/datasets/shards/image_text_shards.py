# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Pairs of images and captions in tar shards, as img2dataset and webdataset write them."""

from __future__ import annotations

import json
import logging
import random
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from mmcv.transforms import Compose
from mmengine.dist import barrier, broadcast_object_list, get_dist_info
from mmengine.logging import print_log
from torch.utils.data import Dataset

from mmcoca.errors import SettingError
from mmcoca.registry import DATASETS

from ..annotation_files import AnnotationError, one_line, text_problem
from ..faults import CountsFaults, FaultLog, Faults, check_fraction, listing
from ..transforms import UnreadableImageError
from .open_shard import OpenShard
from .shard_cache import GIB, ShardCache
from .shard_names import expand, short_names
from .tar_index import SAMPLE, ShardIndex, named_faults

FAULTS = (
    'unreadable shard',
    'invalid JSON',
    'missing caption',
    'empty caption',
    'text not in UTF-8',
    'unreadable image',
)
OPEN_SHARDS = 64  # of a process
RETRY = 60  # seconds after which a shard that could not be had is tried again
MAX_TRIES = 1000  # items in a row that cannot be read
CACHE = '~/.cache/mmcoca/shards'
SHOWN_KEYS = 8  # of a JSON, in a message
LOOKED_AT = 50  # samples in which each of several caption keys should be once


class Fault(Exception):
    """A sample cannot be read.

    Args:
        kind: One of FAULTS.
        place: Shard and member.
        reason: What more is known.
    """

    def __init__(self, kind: str, place: str, reason: object = '') -> None:
        self.kind = kind
        self.where = place + (f' ({reason})' if reason else '')
        super().__init__(f'{place}: {kind}' + (f' ({reason})' if reason else ''))


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

    What cannot be read (invalid JSON, no or an empty caption, an image that does not decode, a
    shard that is gone or has changed) is skipped, a random other sample taken in its place, and
    counted by kind: UnreadableImagesHook reports it at the end of an epoch, with the shards that
    were broken, cut short or missing from the start, and stops past the limit. Of several caption
    keys, one that none of the first samples has is warned of.

    Raises AnnotationError on loading without shards or samples, where more samples than the limit
    are missing (a broken shard lacks what the largest has more), and in testing for any fault of
    a shard; SettingError for weights that choose nothing; UnreadableImageError in testing, naming
    shard and member.
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
        self.test_mode = test_mode
        self.max_unreadable = check_fraction(max_unreadable)
        self.fault_log = FaultLog(FAULTS)
        self._weights = key_weights(caption_key)
        if cache_gib < 0:
            raise SettingError(f'cache_gib={cache_gib}: use 0 or more')
        self._cache = ShardCache(Path(cache_dir).expanduser(), int(cache_gib * GIB))
        self._open_shards: OrderedDict[int, OpenShard] = OrderedDict()
        self._failed: dict[int, float] = {}  # when a shard could not be had
        indexes = self._load_indexes()
        self.shard_sizes = np.array([size for size, _ in indexes], np.int64)
        self._sizes_of_files = self.shard_sizes
        self.shard_faults = [fault for _, faults in indexes for fault in faults]
        self._ends = np.cumsum(self.shard_sizes).tolist()
        self._check_shards([any(kind != 'no image' for kind, _ in found) for _, found in indexes])
        if len(self._weights) > 1 and caption_key is not None:
            self._check_keys()

    def full_init(self) -> None:
        """Nothing: MMEngine's wrappers call it."""

    def _load_indexes(self) -> list[tuple[int, list[tuple[str, str]]]]:
        """Number of samples and faults of each shard, as the first process finds them.

        Processes share the work of a first look into them.
        """
        rank, world_size = get_dist_info()
        for name in self.names[rank::world_size] if world_size > 1 else ():
            self._index(name)
        barrier()
        found = [None]
        if rank == 0:
            indexes = map(self._index, self.names)
            found = [[(len(index.samples), faults) for index, faults in indexes]]
        broadcast_object_list(found)
        return found[0]

    def _index(self, name: str) -> tuple[ShardIndex, list[tuple[str, str]]]:
        """The index of a shard, without samples where that cannot be had; kind and place of faults.
        """
        try:
            index = self._cache.index_of(name)
            return index, named_faults(name, index.faults)
        except OSError as error:
            faults = [('unreadable shard', reason_of(name, error))]
            return ShardIndex(np.empty(0, SAMPLE), [], (0, 0)), faults

    def _check_shards(self, are_faulty: list[bool]) -> None:
        """Log what was loaded. Raises AnnotationError as the class says."""
        message = f'{self.fault_source()}: {len(self)} samples in {len(self.names)} shards'
        if self.shard_faults:
            message += f'; of the shards: {self._listed_shard_faults()}'
        num_lost = int((self.shard_sizes.max() - self.shard_sizes)[are_faulty].sum())
        num_lost += sum(kind == 'no image' for kind, _ in self.shard_faults)
        if not len(self):
            raise AnnotationError(f'{message}: no image to read')
        if self.shard_faults and self.test_mode:
            raise AnnotationError(message)
        if num_lost > self.max_unreadable * (len(self) + num_lost):
            raise AnnotationError(
                f'{message}: about {num_lost} samples are missing (the limit, max_unreadable of '
                f'the data set, is {self.max_unreadable:.2%})'
            )
        print_log(message, 'current', logging.WARNING if self.shard_faults else logging.INFO)

    def _check_keys(self) -> None:
        """Warn of a caption key that none of the first samples has: it may be misspelt."""
        found = set().union(*map(self.keys_of, range(min(LOOKED_AT, len(self)))))
        for key in self._weights:
            if found and key not in found:
                print_log(
                    f'{self.fault_source()}: none of the first {min(LOOKED_AT, len(self))} samples '
                    f'has the caption_key {key!r}',
                    'current',
                    logging.WARNING,
                )

    def _listed_shard_faults(self) -> str:
        return listing([f'{place} ({kind})' for kind, place in self.shard_faults])

    def __len__(self) -> int:
        return self._ends[-1]

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
        report = self.fault_report(self.fault_log.faults())
        raise UnreadableImageError(f'{MAX_TRIES} samples in a row: {report}')

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
        shard, number = self._find(index)
        try:
            member, image = shard.image(number)
            place = f'{shard.name}/{member}'
            captions = self._captions(shard, number, place)
        except OSError as error:
            raise Fault('unreadable shard', shard.name, error) from error
        return dict(img_bytes=image, img_path=place, gt_caption=captions, image_id=index)

    def image_file(self, index: int) -> tuple[str, bytes]:
        """Shard and member of sample `index`, and the image file. Raises as `get_data_info`."""
        shard, number = self._find(index)
        try:
            member, image = shard.image(number)
        except OSError as error:
            raise Fault('unreadable shard', shard.name, error) from error
        return f'{shard.name}/{member}', image

    def short_place(self, index: int, place: str) -> str:
        """What `image_file` says of a sample's place, with no more of the shard's folders than tell
        it from another of its name.
        """
        number = self.fault_group(index)
        member = place.removeprefix(f'{self.names[number]}/')
        return str(PurePath(f'{self._short_names[number]}/{member}'))

    @cached_property
    def _short_names(self) -> list[str]:
        return short_names(self.names)

    def keys_of(self, index: int) -> set[str]:
        """The caption keys that sample `index` has; none where it cannot be read."""
        with suppress(Fault, OSError):
            shard, number = self._find(index)
            return set(self._texts(shard, number, shard.name))
        return set()

    def _find(self, index: int) -> tuple[OpenShard, int]:
        """The shard of a sample, and its number there. Raises IndexError for none."""
        if not 0 <= index < len(self):
            raise IndexError(f'sample {index} of {len(self)}')
        number = bisect_right(self._ends, index)
        return self._opened(number), index - (self._ends[number - 1] if number else 0)

    def _opened(self, number: int) -> OpenShard:
        """A shard, open; the one longest unused is closed."""
        if number in self._open_shards:
            self._open_shards.move_to_end(number)
            return self._open_shards[number]
        name = self.names[number]
        if time.monotonic() - self._failed.get(number, -RETRY) < RETRY:
            raise Fault('unreadable shard', name)
        try:
            shard = self._open(name, self._sizes_of_files[number])
        except OSError as error:
            self._failed[number] = time.monotonic()
            raise Fault('unreadable shard', name, error) from error
        self._open_shards[number] = shard
        if len(self._open_shards) > OPEN_SHARDS:
            self._open_shards.popitem(last=False)
        return shard

    def _open(self, name: str, num_samples: int) -> OpenShard:
        """A shard's file. Raises OSError for one that has other samples than when it was loaded."""
        file = self._cache.open(name)
        samples = self._cache.index_of(name).samples
        if len(samples) != num_samples:
            raise OSError('it has changed since training began')
        return OpenShard(name, file, samples)

    def _captions(self, shard: OpenShard, number: int, place: str) -> str | list[str]:
        """One of a sample's captions, or all in testing."""
        texts_of = self._texts(shard, number, place)
        if self.test_mode:
            captions = [text for texts in texts_of.values() for text in texts]
        else:
            keys = list(texts_of)
            if len(keys) > 1:
                keys = random.choices(keys, [self._weights[key] for key in keys])
            texts = texts_of[keys[0]]
            captions = [texts[0] if len(texts) == 1 else random.choice(texts)]
        for caption in captions:
            problem = text_problem(caption)
            if problem:
                raise Fault('empty caption', place, f'it {problem}')
        captions = [one_line(caption) for caption in captions]
        return captions if self.test_mode else captions[0]

    def _texts(self, shard: OpenShard, number: int, place: str) -> dict[str, list]:
        """The texts of each key that a sample has; of the first alone if keys have no weights."""
        record, texts_of = None, {}
        for key, weight in self._weights.items():
            if key == 'txt':
                content = shard.text(number, 'txt')
                texts = None if content is None else self._decoded(content, place)
            else:
                record = self._record(shard, number, place) if record is None else record
                texts = record.get(key)
            texts = [texts] if isinstance(texts, str) else texts
            if isinstance(texts, list) and texts:
                texts_of[key] = texts
                if weight is None:
                    break
        if not texts_of:
            reason = f'no {" or ".join(self._weights)}'
            if record:
                reason += f', but {", ".join(list(record)[:SHOWN_KEYS])}'
            raise Fault('missing caption', place, reason)
        return texts_of

    @staticmethod
    def _decoded(content: bytes, place: str) -> str:
        """The text of a .txt file."""
        try:
            return content.decode('utf-8-sig').strip()
        except UnicodeDecodeError as error:
            raise Fault('text not in UTF-8', place, error.reason) from error

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

    def fault_group(self, item: int) -> int:
        """The number of a sample's shard."""
        return bisect_right(self._ends, item)

    def fault_place(self, item: int, kind: str) -> str:
        """Shard and member of a sample, and what is wrong; without a download."""
        name = self.names[bisect_right(self._ends, item)]
        place = f'{name}, sample {item}'
        if self._cache.is_here(name):
            with suppress(Fault, OSError):
                shard, number = self._find(item)
                place = f'{name}/{shard.image(number)[0]}'
        return f'{place} ({kind})'

    def fault_report(self, faults: Faults) -> str | None:
        """A line on the faults of all processes, and on what the shards lack from the start."""
        report = super().fault_report(faults)
        if self.shard_faults:
            of_shards = f'of the shards: {self._listed_shard_faults()}'
            report = f'{report or self.fault_source()}; {of_shards}'
        return report


def key_weights(caption_key: str | Mapping[str, float] | None) -> dict[str, float | None]:
    """Keys with weights; with None, the first that a sample has counts.

    Raises SettingError for weights that choose nothing.
    """
    if caption_key is None:
        return dict(caption=None, txt=None)
    if isinstance(caption_key, str):
        return {caption_key: 1.0}
    if not isinstance(caption_key, Mapping):
        raise SettingError(
            f'caption_key={caption_key!r}: use a key, or several with weights: '
            'dict(caption=3, aliases=1)'
        )
    if not caption_key or not all(
        isinstance(weight, (int, float)) and weight > 0 for weight in caption_key.values()
    ):
        raise SettingError(f'caption_key={dict(caption_key)}: give each key a weight above 0')
    return {key: float(weight) for key, weight in caption_key.items()}


def reason_of(name: str, error: OSError) -> str:
    """A shard, and why it cannot be read, once."""
    text = str(error.strerror or error)
    return text if name in text else f'{name}: {text}'

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Images to classify from tar shards: those whose label is one of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from mmcoca.labels import class_names
from mmcoca.registry import DATASETS

from ..annotation_files import AnnotationError
from .image_text_shards import Fault, ImageTextShards
from .open_shard import OpenShard


@DATASETS.register_module()
class ImageLabelShards(ImageTextShards):
    """The samples of shards that have one of the classes' names, with its number in `gt_label`.

    An item has no captions but the name, in `gt_caption`. Loading reads the JSON of all samples;
    those without such a label, or whose shard cannot be read, are left out.

    Args:
        shards: As in ImageTextShards.
        label_key: Where the JSON has the label, a text or a list of texts, of which the first that
            is a class counts.
        classes: Names in the order of their numbers, or a file with one a line.
        **kwargs: As in ImageTextShards.

    Raises AnnotationError as ImageTextShards does, and if no sample has one of the classes.
    """

    _places: np.ndarray | None = None  # in its shard, of each labelled sample

    def __init__(
        self, shards: str | Sequence[str], label_key: str, classes: str | Sequence[str], **kwargs
    ) -> None:
        super().__init__(shards, caption_key=label_key, **kwargs)
        names = class_names(classes)
        self.metainfo = dict(classes=tuple(names))
        self._keep_labelled(label_key, {name: number for number, name in enumerate(names)})

    def _keep_labelled(self, label_key: str, class_to_number: dict[str, int]) -> None:
        """Note place and label of the samples of these classes, and count no others."""
        places, labels, sizes = [], [], []
        for start, size in zip(np.cumsum(self.shard_sizes) - self.shard_sizes, self.shard_sizes):
            before = len(places)
            for place in range(size):
                with suppress(
                    Fault, OSError
                ):  # what has no label, or cannot be read, is none of them
                    shard, number = self._find(int(start) + place)
                    texts = self._texts(shard, number, shard.name)[label_key]
                    texts = [text for text in texts if isinstance(text, str)]
                    known = [class_to_number[text] for text in texts if text in class_to_number]
                    if known:
                        places.append(place)
                        labels.append(known[0])
            sizes.append(len(places) - before)
        if not places:
            raise AnnotationError(
                f"{self.fault_source()}: no sample's {label_key!r} is one of the "
                f'{len(class_to_number)} classes, {", ".join(list(class_to_number)[:5])} ...'
            )
        self.shard_sizes = np.array(sizes)
        self._ends = np.cumsum(sizes).tolist()
        self._places, self._labels = np.array(places), np.array(labels)

    def _find(self, index: int) -> tuple[OpenShard, int]:
        """The shard of a labelled sample, and its number there."""
        shard, number = super()._find(index)
        return shard, number if self._places is None else int(self._places[index])

    def get_data_info(self, index: int) -> dict[str, Any]:
        """As ImageTextShards, with the label."""
        place, image = self.image_file(index)
        label = int(self._labels[index])
        return dict(
            img_bytes=image,
            img_path=place,
            gt_label=label,
            gt_caption=self.metainfo['classes'][label],
            image_id=index,
        )

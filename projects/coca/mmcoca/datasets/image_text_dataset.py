# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Pairs of images and captions from an annotation file."""

from __future__ import annotations

import os.path as osp
from collections.abc import Iterable

import torch
from mmengine.fileio import exists
from mmpretrain.datasets import BaseDataset

from mmcoca.registry import DATASETS

from .annotation_files import AnnotationError, Row, read_annotations

_SHOWN_ROWS = 10  # bad rows that one message lists


def listing(rows: list[str]) -> str:
    """The first rows, and how many more there are."""
    more = len(rows) - _SHOWN_ROWS
    return '; '.join(rows[:_SHOWN_ROWS]) + (f'; and {more} more' if more > 0 else '')


class UnreadableImageError(RuntimeError):
    """An image could not be read: the message names annotation file, row and image."""


@DATASETS.register_module()
class ImageTextDataset(BaseDataset):
    """Image-text pairs from COCO-caption JSON, JSON Lines, CSV or TSV, told by the file's ending.

    In training (`test_mode=False`) an item is one pair, so that an image with n captions is n
    items: `img_path`, `gt_caption` (a string), `image_id`. In testing it is one image,
    and `gt_caption` the list of its captions.

    Args:
        ann_file, data_root, data_prefix, pipeline, test_mode: As in mmpretrain's BaseDataset;
            an image's path is data_root / data_prefix['img_path'] / what the file names.
        image_key, caption_key: Names of the columns; None: `file_name` and `caption` in COCO
            JSON, `image` and `caption` elsewhere.
        require_captions: Off, an image without captions is an item too, in testing alone.
        filter_cfg: dict(folder='a/b') keeps the images below this folder of img_path alone.
        check_images: See on loading that every image is there (off for slow remote storage).
        max_unreadable: The largest fraction of items whose image may be unreadable in training.

    An unreadable image is, in training, replaced by a random other item, and remembered:
    UnreadableImagesHook reports them at the end of an epoch and stops past the limit. In
    testing it raises UnreadableImageError.

    Raises AnnotationError on loading, naming file and rows: a missing image, an empty caption, one
    that is no string, a wrong column, invalid JSON; FileNotFoundError without the file.
    """

    def __init__(
        self,
        ann_file: str,
        data_root: str = '',
        data_prefix: dict | str = dict(img_path=''),
        pipeline: list | tuple = (),
        image_key: str | None = None,
        caption_key: str | None = None,
        require_captions: bool = True,
        check_images: bool = True,
        max_unreadable: float = 0.01,
        **kwargs,
    ) -> None:
        self.image_key = image_key
        self.caption_key = caption_key
        self.require_captions = require_captions
        self.check_images = check_images
        self.max_unreadable = max_unreadable
        self._unreadable: torch.Tensor | None = None
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            data_prefix=data_prefix,
            pipeline=pipeline,
            **kwargs,
        )

    def full_init(self) -> None:
        """Load the annotations, once."""
        if self._fully_initialized:
            return
        super().full_init()
        # Shared with the dataloader's workers, which mark here what they could not read.
        self._unreadable = torch.zeros(len(self), dtype=torch.bool).share_memory_()

    def load_data_list(self) -> list[dict]:
        """Read and check the annotation file."""
        items, problems = [], []
        for row in self.read_rows():
            problem = self._problem(row)
            if problem:
                problems.append(f'{row.label}: {problem}')
                continue
            captions = [row.captions] if isinstance(row.captions, str) else list(row.captions)
            image_id = len(items) if row.image_id is None else row.image_id
            common = dict(img_path=self._path(row.image), image_id=image_id, row=row.label)
            if self.test_mode:
                items.append(dict(common, gt_caption=captions))
            else:
                items.extend(dict(common, gt_caption=caption) for caption in captions)
        if problems:
            raise AnnotationError(f'{self.ann_file}: {listing(problems)}')
        if not items:
            raise AnnotationError(f'{self.ann_file}: no image-text pairs in it')
        return items

    def read_rows(self) -> Iterable[Row]:
        """What the annotation file says of each image."""
        return read_annotations(self.ann_file, self.image_key, self.caption_key)

    def filter_data(self) -> list[dict]:
        """Keep what `filter_cfg` says. Raises AnnotationError if that is nothing."""
        if not self.filter_cfg:
            return self.data_list
        folder = osp.join(self._path(self.filter_cfg['folder']), '')
        items = [item for item in self.data_list if item['img_path'].startswith(folder)]
        if not items:
            raise AnnotationError(f'{self.ann_file}: no image in it lies in {folder}')
        return items

    def _path(self, image: str) -> str:
        return osp.join(self.data_prefix.get('img_path', ''), image)

    def _problem(self, row: Row) -> str | None:
        """What is wrong with a row, or None."""
        if not isinstance(row.image, str) or not row.image:
            return f'the image is {row.image!r}, not a path'
        captions = [row.captions] if isinstance(row.captions, str) else row.captions
        if not isinstance(captions, list):
            return f'the caption is {row.captions!r}, not a string'
        if not captions and (self.require_captions or not self.test_mode):
            return 'there is no caption'
        for caption in captions:
            if not isinstance(caption, str):
                return f'the caption is {caption!r}, not a string'
            if not caption.strip():
                return 'the caption is empty'
        if self.check_images and not exists(self._path(row.image)):
            return f'image {self._path(row.image)} does not exist'
        return None

    def prepare_data(self, idx: int) -> dict | None:
        """Item `idx` through the pipeline; in training None if its image cannot be read."""
        item = self.get_data_info(idx)
        try:
            results = self.pipeline.transforms[0](item) if self.pipeline.transforms else item
        except Exception as error:  # decoders raise whatever they like
            if not self.test_mode:
                self._unreadable[idx] = True
                return None
            raise UnreadableImageError(
                f'{self.ann_file} {item["row"]}: image {item["img_path"]} cannot be read: {error}'
            ) from error
        for transform in self.pipeline.transforms[1:]:
            results = transform(results)
        return results

    @property
    def num_unreadable(self) -> int:
        """Number of items whose image could not be read so far."""
        return int(self._unreadable.sum())

    def unreadable_rows(self) -> list[str]:
        """Row and image of each item that could not be read so far."""
        items = (self.get_data_info(int(i)) for i in self._unreadable.nonzero()[:, 0])
        return [f'{item["row"]}: {item["img_path"]}' for item in items]

    def unreadable_report(self) -> str:
        """One line with the count and the first rows of what could not be read."""
        return (
            f'{self.ann_file}: {self.num_unreadable} of {len(self)} images could not be read and '
            f'were skipped: {listing(self.unreadable_rows())}'
        )

    def check_unreadable(self) -> None:
        """Raise UnreadableImageError, with the list, past `max_unreadable`."""
        if self.num_unreadable > self.max_unreadable * len(self):
            raise UnreadableImageError(
                f'{self.unreadable_report()} (the limit, max_unreadable of the data set, is '
                f'{self.max_unreadable:.2%})'
            )

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Pairs of images and captions from an annotation file."""

from __future__ import annotations

import logging
import os.path as osp
from collections.abc import Iterable, Sequence
from typing import Any

from mmcv.transforms import LoadImageFromFile
from mmengine.logging import print_log
from mmpretrain.datasets import BaseDataset

from mmcoca.registry import DATASETS

from .annotation_files import (
    AnnotationError,
    Row,
    id_problem,
    one_line,
    read_annotations,
    text_problem,
)
from .faults import CountsFaults, FaultLog, check_fraction, listing
from .image_paths import existence_problem, image_path, storage_problem
from .image_rows import give_image_ids, merge_images, place_of, several_ids
from .transforms import UnreadableImageError, UnreadableVideoError

UNREADABLE = (UnreadableImageError, UnreadableVideoError)
UNREADABLE_IMAGE = 'unreadable image'


def is_blank(value: Any) -> bool:
    """Whether a field holds nothing."""
    return value is None or (isinstance(value, str) and not value.strip())


@DATASETS.register_module()
class ImageTextDataset(CountsFaults, BaseDataset):
    """Image-text pairs from COCO-caption JSON, JSON Lines, CSV or TSV, told by the file's ending.

    In training (`test_mode=False`) an item is one pair, so that an image with n captions is n
    items: `img_path`, `gt_caption` (a string), `image_id`. In testing it is one image,
    and `gt_caption` the list of its captions. Rows with one `image_id` are of one image, or, where
    the file has no ids, rows with one path, wherever they stand. A caption is taken without blanks
    at its ends, and with one where it has several.

    Args:
        ann_file, data_root, data_prefix, pipeline, test_mode: As in mmpretrain's BaseDataset;
            an image's path is data_root / data_prefix['img_path'] / what the file names.
        image_key, caption_key: Names of the columns; None: `file_name` and `caption` in COCO
            JSON, `image` and `caption` elsewhere.
        require_captions: Off, an image without captions is an item too, in testing alone.
        skip_without_captions: Leave out images without captions, whose number is logged.
        filter_cfg: dict(folder='a/b') keeps the images below this folder of img_path alone.
        check_images: See on loading that every image is there (off for slow remote storage).
        max_unreadable: The largest fraction of items whose image may be unreadable in training.

    An unreadable image is, in training, replaced by a random other item, and counted:
    UnreadableImagesHook reports them at the end of an epoch and stops past the limit. In
    testing it raises UnreadableImageError.

    Raises AnnotationError on loading, naming file and rows: a missing image, a caption that is no
    visible text, one id for two images, a wrong column, invalid JSON; FileNotFoundError without the
    file; ValueError for images without captions both kept and skipped, and a filter_cfg without a
    folder.
    """

    TEXTS = 'captions'  # what the log calls them

    def __init__(
        self,
        ann_file: str,
        data_root: str = '',
        data_prefix: dict | str = dict(img_path=''),
        pipeline: list | tuple = (),
        image_key: str | None = None,
        caption_key: str | None = None,
        require_captions: bool = True,
        skip_without_captions: bool = False,
        check_images: bool = True,
        max_unreadable: float = 0.01,
        **kwargs,
    ) -> None:
        if skip_without_captions and not require_captions:
            raise ValueError(
                'skip_without_captions=True skips the images that require_captions=False keeps: '
                'set one of them'
            )
        self.image_key = image_key
        self.caption_key = caption_key
        self.require_captions = require_captions
        self.skip_without_captions = skip_without_captions
        self.check_images = check_images
        self.max_unreadable = check_fraction(max_unreadable)
        self.fault_log = FaultLog([UNREADABLE_IMAGE])
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            data_prefix=data_prefix,
            pipeline=pipeline,
            **kwargs,
        )

    def get_subset(self, indices: Sequence[int] | int) -> ImageTextDataset:
        """A data set of these items alone."""
        subset = super().get_subset(indices)
        subset.fault_log = FaultLog([UNREADABLE_IMAGE])
        return subset

    def load_data_list(self) -> list[dict]:
        """Read and check the annotation file."""
        rows = self.load_rows()
        if self.test_mode:
            return merge_images(rows)
        return [dict(row, gt_caption=caption) for row in rows for caption in row['gt_caption']]

    def load_rows(self) -> list[dict]:
        """A dict for each row of the annotation file, as an item but with a list of captions.

        Raises AnnotationError as the class says.
        """
        rows, problems, checked = [], [], {}
        for row in self.read_rows():
            if self._captions_optional and is_blank(row.captions):
                row = row._replace(captions=[])
            if row.image_id is not None and is_blank(row.image_id):
                row = row._replace(image_id=None)
            problem = self._problem(row)
            if not problem:
                path = image_path(self.data_prefix.get('img_path', ''), row.image)
                if path not in checked:
                    checked[path] = storage_problem(path)
                    if self.check_images and not checked[path]:
                        checked[path] = existence_problem(path)
                problem = checked[path]
            if problem:
                problems.append(f'{row.label}: {problem}')
                continue
            captions = [row.captions] if isinstance(row.captions, str) else row.captions
            captions = [one_line(caption) for caption in captions]
            rows.append(
                dict(img_path=path, image_id=row.image_id, row=row.label, gt_caption=captions)
            )
        problems += give_image_ids(rows)
        if problems:
            raise AnnotationError(f'{self.ann_file}: {listing(problems)}')
        return self._log_and_skip(rows)

    def _log_and_skip(self, rows: list[dict]) -> list[dict]:
        """The rows without those that `skip_without_captions` skips."""
        images = {row['image_id'] for row in rows}
        skipped = set()
        kept = rows
        if self.skip_without_captions:
            kept = [row for row in rows if row['gt_caption']]
            skipped = images - {row['image_id'] for row in kept}
        if not kept:
            raise AnnotationError(f'{self.ann_file}: no image-text pairs in it')
        num_captions = sum(len(row['gt_caption']) for row in rows)
        message = (
            f'{self.ann_file}: {len(rows)} rows, {len(images)} images, {num_captions} '
            f'{self.TEXTS}'
        )
        if skipped:
            message += f'; images skipped, without {self.TEXTS}: {len(skipped)}'
        print_log(message, logger='current')
        if self.test_mode and (several := several_ids(kept)):
            print_log(
                f'{self.ann_file}: {len(several)} images have several ids, first {several[0]}: '
                'each id counts as an image of its own, so that none finds all of its texts',
                'current',
                logging.WARNING,
            )
        return kept

    @property
    def _captions_optional(self) -> bool:
        return self.skip_without_captions or (self.test_mode and not self.require_captions)

    def get_cat_ids(self, idx: int) -> list[int]:
        """The class of an item, for MMEngine's ClassBalancedDataset.

        Raises AnnotationError where there are captions alone.
        """
        if 'gt_label' not in self.get_data_info(idx):
            raise AnnotationError(
                f'{self.ann_file}: {type(self).__name__} has no classes, which a class-balanced '
                'data set needs: use mmcoca.ImageLabelDataset'
            )
        return super().get_cat_ids(idx)

    def read_rows(self) -> Iterable[Row]:
        """What the annotation file says, row by row."""
        return read_annotations(self.ann_file, self.image_key, self.caption_key)

    def filter_data(self) -> list[dict]:
        """Keep what `filter_cfg` says. Raises AnnotationError if that is nothing."""
        if not self.filter_cfg:
            return self.data_list
        if 'folder' not in self.filter_cfg:
            raise ValueError(f'filter_cfg={self.filter_cfg}: it takes folder, and nothing else')
        prefix = self.data_prefix.get('img_path', '')
        folder = place_of(dict(img_path=image_path(prefix, self.filter_cfg['folder'])))
        folder = osp.join(folder, '')
        items = [item for item in self.data_list if place_of(item).startswith(folder)]
        if not items:
            raise AnnotationError(f'{self.ann_file}: no image in it lies in {folder}')
        return items

    def _problem(self, row: Row) -> str | None:
        """What is wrong with a row apart from its image's file, or None."""
        if not isinstance(row.image, str) or not row.image:
            return f'the image is {row.image!r}, not a path'
        captions = row.captions if isinstance(row.captions, list) else [row.captions]
        if not captions and not self._captions_optional:
            return 'there is no caption'
        for caption in captions:
            problem = text_problem(caption)
            if problem:
                return f'the caption {problem}'
        return None if row.image_id is None else id_problem(row.image_id)

    def prepare_data(self, idx: int) -> dict | None:
        """Item `idx` through the pipeline; in training None if its image cannot be read."""
        item = self.get_data_info(idx)
        loader, *transforms = self.pipeline.transforms or [dict]
        # mmcv's lets decoders raise whatever they like; a loader of the user's own may have errors.
        unreadable = Exception if type(loader) is LoadImageFromFile else UNREADABLE
        try:
            results = loader(item)
        except unreadable as error:
            if not self.test_mode:
                self.fault_log.note_fault(idx, UNREADABLE_IMAGE)
                return None
            reason = error
            if not isinstance(error, UnreadableImageError):
                reason = f'image {item["img_path"]} cannot be read: {error}'
            raise UnreadableImageError(f'{self.ann_file} {item["row"]}: {reason}') from error
        self.fault_log.note_visit()
        for transform in transforms:
            results = transform(results)
        return results

    def fault_source(self) -> str:
        """The annotation file."""
        return self.ann_file

    def fault_place(self, item: int, kind: str) -> str:
        """Row and image; `kind` is always the same."""
        info = self.get_data_info(item)
        return f'{info["row"]}: {info["img_path"]}'

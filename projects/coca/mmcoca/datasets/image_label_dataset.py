# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Images with one label each from an annotation file."""

from __future__ import annotations

from collections.abc import Sequence

from mmcoca.labels import lines_of
from mmcoca.registry import DATASETS

from .annotation_files import AnnotationError, Row, one_line, text_problem
from .faults import listing
from .image_text_dataset import ImageTextDataset


@DATASETS.register_module()
class ImageLabelDataset(ImageTextDataset):
    """Images to classify, from the annotation files that ImageTextDataset reads.

    An item is one image: `img_path`, `gt_label`, `image_id`, and in `gt_caption` the label's name.

    Args:
        label_key: The column, or the key of a COCO annotation, which names an image's label.
        classes: Names of the labels in the order of their numbers, or a file with one a line;
            None: all that are in the annotation file, sorted.
        skip_others: Leave out images whose label is not among the classes.
        **kwargs: As in ImageTextDataset.

    Raises AnnotationError as ImageTextDataset does, and for a label that is no string or empty, an
    image with two labels, and a label that is not among the classes unless others are skipped; then
    where no image is left.
    """

    TEXTS = 'labels'

    def __init__(
        self,
        ann_file: str,
        label_key: str,
        classes: str | Sequence[str] | None = None,
        skip_others: bool = False,
        **kwargs,
    ) -> None:
        self.label_key = label_key
        self.skip_others = skip_others
        if isinstance(classes, str):
            classes = lines_of(classes)
        if classes is not None:
            classes = [one_line(str(name)) for name in classes]  # as labels are read
        super().__init__(ann_file, caption_key=label_key, classes=classes, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Read and check the annotation file."""
        items, problems = {}, []
        for row in self.load_rows():
            for label in row['gt_caption']:
                item = items.setdefault(row['image_id'], dict(row, gt_caption=label))
                if item['gt_caption'] != label:
                    problems.append(
                        f"{row['row']}: image {row['img_path']} has two labels "
                        f"({self.label_key}), '{item['gt_caption']}' and '{label}'"
                    )
        if self.CLASSES is None:
            self._metainfo['classes'] = tuple(sorted({i['gt_caption'] for i in items.values()}))
        class_to_idx = self.class_to_idx
        if self.skip_others:
            items = {k: item for k, item in items.items() if item['gt_caption'] in class_to_idx}
        if not items:
            raise AnnotationError(f'{self.ann_file}: no image has one of the classes')
        for item in items.values():
            item['gt_label'] = class_to_idx.get(item['gt_caption'])
            if item['gt_label'] is None:
                problems.append(
                    f"{item['row']}: label '{item['gt_caption']}' ({self.label_key}) is not among "
                    f'the {len(class_to_idx)} classes'
                )
        if problems:
            raise AnnotationError(f'{self.ann_file}: {listing(problems)}')
        return list(items.values())

    def _problem(self, row: Row) -> str | None:
        """What is wrong with a row apart from its image's file, or None."""
        labels = row.captions if isinstance(row.captions, list) else [row.captions]
        if not (labels or self._captions_optional) or any(text_problem(label) for label in labels):
            return f"'{self.label_key}' is {row.captions!r}, not the name of a label"
        return super()._problem(row)

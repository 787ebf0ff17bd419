# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""SNLI-VE: does an image entail a sentence (arXiv 1901.06706)?"""

from __future__ import annotations

from typing import Any

from mmengine.fileio import join_path
from mmpretrain.datasets import BaseDataset

from mmcoca.registry import DATASETS

from .annotation_files import AnnotationError, id_problem, parse_json, read_text, text_problem


@DATASETS.register_module()
class SNLIVE(BaseDataset):
    """SNLI-VE's JSON Lines over the images of Flickr30k.

    An item has `img_path`, `text` (the hypothesis, `sentence2` in the file), `gt_label` and
    `image_id`. Lines whose annotators did not agree, with the gold label '-', are left out.

    Args:
        ann_file, data_root, data_prefix, pipeline, test_mode: As in mmpretrain's BaseDataset; an
            image's path is data_root / data_prefix / <Flickr30K_ID>.jpg.

    Raises AnnotationError on loading, naming file and line: invalid JSON, a missing key, a label
    that is none of the three, a hypothesis that is no visible text; and for a file without an item.
    """

    METAINFO = dict(classes=('entailment', 'neutral', 'contradiction'))

    def load_data_list(self) -> list[dict]:
        """Read and check the annotation file."""
        items = []
        for number, line in enumerate(read_text(self.ann_file).split('\n'), start=1):
            if not line.strip():
                continue
            row = parse_json(line, self.ann_file, number)
            self._check(row, f'{self.ann_file} line {number}')
            if row['gold_label'] != '-':
                items.append(
                    dict(
                        img_path=join_path(self.img_prefix, f'{row["Flickr30K_ID"]}.jpg'),
                        text=row['sentence2'],
                        gt_label=self.class_to_idx[row['gold_label']],
                        image_id=row['Flickr30K_ID'],
                    )
                )
        if not items:
            raise AnnotationError(f'{self.ann_file}: no line with a gold label in it')
        return items

    def _check(self, row: Any, place: str) -> None:
        if not isinstance(row, dict):
            raise AnnotationError(f'{place}: not a JSON object')
        for key in ('gold_label', 'sentence2', 'Flickr30K_ID'):
            if key not in row:
                raise AnnotationError(f"{place}: no '{key}' among {', '.join(row)}")
        if row['gold_label'] not in (*self.CLASSES, '-'):
            raise AnnotationError(
                f"{place}: gold_label '{row['gold_label']}' is none of "
                f"{', '.join(self.CLASSES)} and -"
            )
        problem = id_problem(row['Flickr30K_ID'])
        if not problem and text_problem(row['sentence2']):
            problem = f"'sentence2' {text_problem(row['sentence2'])}"
        if problem:
            raise AnnotationError(f'{place}: {problem}')

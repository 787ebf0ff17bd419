# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Questions about images, with their answers, from an annotation file."""

from __future__ import annotations

from collections import Counter

from mmcoca.labels import plain_answer
from mmcoca.registry import DATASETS

from .annotation_files import AnnotationError, Row, read_annotations, text_problem
from .image_text_dataset import ImageTextDataset

FORMATS = ('.jsonl', '.csv', '.tsv')


@DATASETS.register_module()
class ImageQuestionDataset(ImageTextDataset):
    """A question a row, from JSON Lines, CSV or TSV.

    An item is a row: `img_path`, `question`, `gt_answer` (the different answers),
    `gt_answer_weight` (the share of annotators who gave each), `question_id` (its number, from 0)
    and `image_id`. In JSON Lines the answer may be a list, with one of each annotator.

    Args:
        question_key, answer_key: Names of the columns.
        **kwargs: As in ImageTextDataset.

    Raises AnnotationError as ImageTextDataset does, and for another format, several questions in a
    row, and an answer that is no visible text.
    """

    TEXTS = 'questions'

    def __init__(
        self,
        ann_file: str,
        question_key: str = 'question',
        answer_key: str = 'answer',
        **kwargs,
    ) -> None:
        self.answer_key = answer_key
        super().__init__(ann_file, caption_key=question_key, **kwargs)

    def read_rows(self) -> list[Row]:
        """The rows, as their captions the questions.

        Each keeps its answers for `load_data_list`.
        """
        if not str(self.ann_file).endswith(FORMATS):
            raise AnnotationError(
                f'{self.ann_file}: questions are read from {", ".join(FORMATS)}; of VQA v2, '
                "mmpretrain's COCOVQA reads them"
            )
        rows = list(super().read_rows())
        answered = read_annotations(self.ann_file, self.image_key, self.answer_key)
        self._answers = {row.label: row.captions for row in answered}
        return rows

    def load_data_list(self) -> list[dict]:
        """Read and check the annotation file."""
        items = []
        for number, row in enumerate(self.load_rows()):
            (question, ) = row.pop('gt_caption')
            answers = self._answers[row['row']]
            answers = [answers] if isinstance(answers, str) else answers
            counts = Counter(map(plain_answer, answers))
            item = dict(row, question=question, question_id=number, gt_answer=list(counts))
            shares = [count / counts.total() for count in counts.values()]
            items.append(item | dict(gt_answer_weight=shares))
        return items

    def _problem(self, row: Row) -> str | None:
        """What is wrong with a row apart from its image's file, or None."""
        if problem := text_problem(row.captions):
            return f"the question ('{self.caption_key}') {problem}"
        answers = self._answers[row.label]
        for answer in answers if isinstance(answers, list) and answers else [answers]:
            if problem := text_problem(answer):
                return f"the answer ('{self.answer_key}') {problem}"
        return super()._problem(row)

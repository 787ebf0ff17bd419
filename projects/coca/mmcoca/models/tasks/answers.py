# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The answers that a question may have, and what each is worth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mmcoca.errors import SettingError

from .class_names import lines_of


def read_answers(answers: str | Sequence[str]) -> list[str]:
    """Answers as they are; or of a file: a JSON list (.json), or an answer a line.

    Raises SettingError for a file that does not exist or holds no such list, and for an answer that
    occurs twice.
    """
    if not isinstance(answers, str):
        listed = list(answers)
    elif not Path(answers).is_file():
        raise SettingError(
            f"answers '{answers}': there is no such file; tools/dataset_converters/vqa_answers.py "
            'makes it from the annotations'
        )
    elif answers.endswith('.json'):
        listed = json.loads(Path(answers).read_text('utf-8'))
    else:
        listed = lines_of(answers)
    if not isinstance(listed, list) or not all(isinstance(answer, str) for answer in listed):
        raise SettingError(f'answers {answers!r} are no list of strings')
    if len(set(listed)) < len(listed):
        twice = next(answer for answer in listed if listed.count(answer) > 1)
        raise SettingError(f"answer '{twice}' is listed twice in {answers!r}")
    return listed


def answer_scores(
    answers: Sequence[str], shares: Sequence[float], labels: dict[str, int]
) -> Tensor:
    """The answers of a question's ten annotators -> a score for each label (classes,).

    min(1, 0.3 n) for an answer of n annotators, which is its VQA accuracy, as is usual since
    arXiv 1708.02711; an answer without a label counts for nothing.

    Args:
        shares: Of the annotators who gave each answer: n / 10.
    """
    scores = torch.zeros(len(labels))
    for answer, share in zip(answers, shares, strict=True):
        if answer in labels:
            scores[labels[answer]] = min(1.0, 0.3 * 10 * share)
    return scores


def most_frequent(answers: Sequence[str], shares: Sequence[float]) -> str:
    """The answer that most annotators gave, the first of several."""
    return max(zip(answers, shares), key=lambda pair: pair[1])[0]

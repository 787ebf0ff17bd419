# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What the answers of a question's annotators make as targets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmpretrain.structures import DataSample
from torch import Tensor

from mmcoca.labels import plain_answer


def answers_of(sample: DataSample) -> tuple[Sequence[str], Sequence[float]]:
    """The different answers of a sample and the share of annotators who gave each.

    A single answer is all annotators'; several without shares are as many annotators'.
    """
    if isinstance(sample.gt_answer, str):
        return [sample.gt_answer], [1.0]
    shares = sample.get('gt_answer_weight')
    if shares is None:
        shares = [1 / len(sample.gt_answer)] * len(sample.gt_answer)
    return sample.gt_answer, shares


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
        answer = plain_answer(answer)
        if answer in labels:
            scores[labels[answer]] = min(1.0, 0.3 * 10 * share)
    return scores


def most_frequent(answers: Sequence[str], shares: Sequence[float]) -> str:
    """The answer that most annotators gave, the first of several."""
    return max(zip(answers, shares), key=lambda pair: pair[1])[0]

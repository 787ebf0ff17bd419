# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Visual question answering: the right one of many answers (paper section 4.2.3), or a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import torch
from mmpretrain.structures import DataSample
from torch import Tensor

from mmcoca.errors import SettingError
from mmcoca.labels import read_answers
from mmcoca.registry import MODELS

from ..parts import is_trained, parts_of_loss
from ..text import PackedTexts, TextBatch
from .answers import answer_scores, answers_of, most_frequent
from .understanding import CoCaForUnderstanding


@MODELS.register_module()
class CoCaForVQA(CoCaForUnderstanding):
    """A CoCa that answers each sample's `question` about its image.

    Trains on `gt_answer`, the different answers of the question's annotators, and
    `gt_answer_weight`, the share of each, as mmpretrain's COCOVQA has them, or on a single answer,
    as its GQA and VSR. With a captioning head "question answer" is trained as the image's caption
    along with it.

    Args:
        answers: As in `read_answers`, in the order of the understanding head's classes. A file is
            read when it is first needed.
        open_ended: Mode 'predict' writes an answer, as the caption that begins with the question,
            by the options in `generation`, instead of choosing one.
        **kwargs: As in CoCaForUnderstanding.

    Raises ValueError, besides CoCaForUnderstanding's, for `open_ended` without a captioning head or
    `generation`.
    """

    def __init__(
        self,
        *args,
        answers: str | Sequence[str],
        open_ended: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        if open_ended and (self.captioning_head is None or self.generation is None):
            raise ValueError('open_ended answers need a captioning_head and generation')
        self.answers = answers
        self.open_ended = open_ended

    @cached_property
    def answer_labels(self) -> dict[str, int]:
        """The class of each answer, in their order.

        Raises SettingError as `read_answers` does, and for another number than the head's classes.
        """
        answers = read_answers(self.answers)
        num_classes = self.understanding_head.num_classes
        if len(answers) != num_classes:
            raise SettingError(
                f'there are {len(answers)} answers, but the understanding head has {num_classes} '
                'classes: set its num_classes and, where that is their sum, its loss.loss_weight'
            )
        return {answer: label for label, answer in enumerate(answers)}

    def untrained_parts(self) -> list[str]:
        """As in CoCaForUnderstanding, but that the captioning loss is trained if it has a weight.
        """
        if is_trained(self.captioning_head):
            return parts_of_loss(self, 'contrastive')
        return super().untrained_parts()

    @staticmethod
    def texts_of_loss(data_samples: Sequence[DataSample]) -> list[list[str]]:
        """As in CoCa: the questions, and each with its most frequent answer."""
        questions = [sample.question for sample in data_samples]
        answers = [most_frequent(*answers_of(sample)) for sample in data_samples]
        return [questions, [f'{pair[0]} {pair[1]}' for pair in zip(questions, answers)]]

    def prepare(self, data_samples: Sequence[DataSample], texts: Sequence[TextBatch]) -> dict:
        """As in CoCa, with the score of each answer (B,classes)."""
        questions, answered = texts
        scores = [answer_scores(*answers_of(sample), self.answer_labels) for sample in data_samples]
        device = self.text.unimodal.cls_embedding.device
        return dict(
            questions=self.lay_out(questions),
            scores=torch.stack(scores).to(device, non_blocking=True),
            answered=self.text.lay_out(answered) if is_trained(self.captioning_head) else None,
        )

    def losses(
        self, images: Tensor, questions: PackedTexts, scores: Tensor, answered: PackedTexts | None
    ) -> dict[str, Tensor]:
        """'loss_answer' and, for questions with their answers, 'loss_captioning'.

        The image is encoded once.
        """
        regional_tokens = self.pool_regions(images)
        logits = self.classify(regional_tokens, questions)
        losses = dict(loss_answer=self.understanding_head.loss(logits, scores.to(logits)))
        if answered is not None:
            token_states, _ = self.text.unimodal(answered)
            states = self.text.predict_next(token_states, regional_tokens, answered)
            losses |= self.captioning_head.loss(states, answered.targets)
        return losses

    @torch.no_grad()
    def predict(self, images: Tensor, data_samples: Sequence[DataSample]) -> list[DataSample]:
        """Set each sample's `pred_answer`, a string, and its probability `pred_score`."""
        questions = [sample.question for sample in data_samples]
        answers, chances = self.answer(self.pool_regions(images), questions)
        for sample, text, chance in zip(data_samples, answers, chances):
            sample.set_field(text, 'pred_answer')
            sample.set_field(chance, 'pred_score')
        return list(data_samples)

    def answer(self, regional_tokens: Tensor, questions: Sequence[str]) -> tuple[list[str], Tensor]:
        """Regional tokens (B,Q,D), a question each -> answers and their probabilities (B,).

        Chosen among the known ones, or written where the model is `open_ended`.
        """
        by_way = self.write_answers if self.open_ended else self.choose_answers
        return by_way(regional_tokens, questions)

    def choose_answers(self, regional_tokens: Tensor,
                       questions: Sequence[str]) -> tuple[list[str], Tensor]:
        """Regional tokens (B,Q,D) -> the most probable of the known answers, probabilities (B,)."""
        answers = list(self.answer_labels)
        chances, labels = self.understand(regional_tokens, questions).sigmoid().max(dim=-1)
        return [answers[label] for label in labels.tolist()], chances

    def write_answers(self, regional_tokens: Tensor,
                      questions: Sequence[str]) -> tuple[list[str], Tensor]:
        """Regional tokens (B,Q,D) -> answers that the captioner writes, probabilities (B,)."""
        captions = self.caption_pooled_images(
            regional_tokens, replace(self.generation, prefix=questions)
        )
        starts = [len(ids) for ids in self.tokenizer.encode([q.strip() for q in questions])]
        answers, chances = [], []
        for (caption, *_), start in zip(captions, starts):
            answers += self.tokenizer.decode([caption.token_ids[start:].tolist()])
            chances.append(caption.log_probabilities[start:].sum().exp())
        return answers, torch.stack(chances)

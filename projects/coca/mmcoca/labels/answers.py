# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The answers that a question may have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mmcoca.errors import SettingError

from .text_files import lines_of


def plain_answer(answer: str) -> str:
    """An answer without blanks around it, and with one between its words."""
    return ' '.join(answer.split())


def read_answers(answers: str | Sequence[str]) -> list[str]:
    """Answers, plain; or those of a file: a JSON list (.json), or an answer a line.

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
        try:
            listed = json.loads(Path(answers).read_text('utf-8-sig'))
        except (ValueError, RecursionError) as error:
            raise SettingError(f"answers '{answers}': invalid JSON: {error}") from error
    else:
        listed = lines_of(answers)
    if not isinstance(listed, list) or not all(isinstance(answer, str) for answer in listed):
        raise SettingError(f'answers {answers!r} are no list of strings')
    listed = list(map(plain_answer, listed))
    if len(set(listed)) < len(listed):
        twice = next(answer for answer in listed if listed.count(answer) > 1)
        raise SettingError(f"answer '{twice}' is listed twice in {answers!r}")
    return listed

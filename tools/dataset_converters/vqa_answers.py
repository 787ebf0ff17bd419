# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""List the answers that a VQA model chooses from: those given often, the most frequent first.

A question counts for the answer that most of its annotators gave: in VQA v2's files its
multiple_choice_answer, of questions of your own in JSON Lines, CSV or TSV the field `answer`. Since
arXiv 1707.07998 it is usual to keep the answers of more than 8 questions. Of VQA v2's train and val
together they were 3,129 after a normalisation of their spelling, which is not done here: how many
there are is printed, and num_classes and loss.loss_weight of the config's understanding_head must
be that.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from whole_folders import ConverterError


def frequent_answers(answers: Iterable[str], min_count: int = 9) -> list[str]:
    """Answers that occur at least `min_count` times, the most frequent first, then by alphabet.

    Blank ones, of which VQA v2 has a few, are none.
    """
    counts = Counter(filter(None, (' '.join(answer.split()) for answer in answers)))
    kept = [answer for answer, count in counts.items() if count >= min_count]
    return sorted(kept, key=lambda answer: (-counts[answer], answer))


def read_given_answers(path: Path,
                       answer_key: str = 'answer',
                       image_key: str = 'image') -> list[str]:
    """The answer of each question in an annotation file.

    Raises ConverterError for a file of anything else.
    """
    if path.suffix == '.json':
        return read_multiple_choice_answers(path)
    # Takes seconds, which VQA v2's files do without.
    from mmcoca.datasets.annotation_files import AnnotationError, read_annotations, text_problem

    try:
        rows = list(read_annotations(path, image_key, answer_key))
    except (AnnotationError, FileNotFoundError) as error:
        raise ConverterError(str(error)) from error
    given = []
    for row in rows:
        answers = row.captions if isinstance(row.captions, list) else [row.captions]
        for answer in answers:
            if problem := text_problem(answer):
                raise ConverterError(f'{path}: {row.label}: the answer ({answer_key}) {problem}')
        if answers:
            given.append(Counter(answers).most_common(1)[0][0])
    return given


def read_multiple_choice_answers(path: Path) -> list[str]:
    """The answer of each question in an annotation file of VQA v2.

    Raises ConverterError for a file of anything else.
    """
    try:
        annotations = json.loads(path.read_text('utf-8-sig'))['annotations']
        return [annotation['multiple_choice_answer'].strip() for annotation in annotations]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ConverterError(
            f'{path}: not the annotations of VQA v2, JSON with "annotations" that each have a '
            f'"multiple_choice_answer" ({type(error).__name__}: {error})'
        ) from error


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Example: python tools/dataset_converters/vqa_answers.py '
        'data/coco/annotations/v2_mscoco_{train,val}2014_annotations.json '
        '--out data/coco/annotations/vqav2_answers.txt',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('annotations', type=Path, nargs='+', help='annotation files')
    parser.add_argument('--out', type=Path, required=True, help='text file, an answer a line')
    parser.add_argument(
        '--min-count', type=int, default=9, help='fewest questions of an answer (default: 9)'
    )
    parser.add_argument(
        '--answer-key', default='answer', help='of JSON Lines, CSV and TSV (default: answer)'
    )
    parser.add_argument(
        '--image-key', default='image', help='of JSON Lines, CSV and TSV (default: image)'
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        given = [
            answer for path in args.annotations
            for answer in read_given_answers(path, args.answer_key, args.image_key)
        ]
        answers = frequent_answers(given, args.min_count)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(''.join(f'{answer}\n' for answer in answers), encoding='utf-8')
    except (ConverterError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    kept = set(answers)
    known = sum(answer in kept for answer in given)
    print(f'Wrote {len(answers)} answers of {known} of {len(given)} questions to {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())

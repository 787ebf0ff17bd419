# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Make easy-VQA: questions about drawn shapes, in the files of VQA v2.

The 4,000 and 1,000 images of 64 pixels, the 38,575 and 9,673 questions and the 13 answers come from
the package easy-vqa 1.0 on PyPI (MIT licence). What is written: images/{train,test}/*.png; in
annotations the questions and answers of train, test, and of train_dev and val_dev, the questions
about the first 3,500 and the last 500 training images, to choose by; the list of answers; a
tokenizer trained on the training questions and answers; a manifest.
"""

import argparse
import hashlib
import io
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from whole_folders import (
    REMEDY,
    ConverterError,
    check_files,
    exit_status,
    partial_folder,
    read_manifest,
    sha256,
    write_json,
)

from mmcoca.models.text import train_tokenizer

DATASET = 'mmcoca easy-VQA'  # by which a manifest is known as ours
PACKAGE = 'easy-vqa==1.0'
SHA256 = 'fcb51b309b78c7b00f97b64cdbcbcf5c105f94da1b39c0796cee5a787c4f650f'
FIRST_DEV_IMAGE = 3500
VOCAB_SIZE = 512
ANNOTATORS = 10  # of VQA v2, who all say the same here


def fetch_wheel(folder: Path) -> Path:
    """Download the pinned package with pip. Raises ConverterError if pip fails."""
    print(f'Fetching {PACKAGE} with pip', flush=True)
    command = [sys.executable, '-m', 'pip', 'download', '--no-deps', '--only-binary', ':all:']
    done = subprocess.run(
        [*command, '--dest', str(folder), PACKAGE], capture_output=True, text=True
    )
    wheels = list(folder.glob('*.whl'))
    if done.returncode or not wheels:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise ConverterError(f'pip failed: {lines[-1] if lines else done.returncode}')
    return wheels[0]


def read_wheel(path: Path) -> dict[str, bytes]:
    """The members that are needed, by name; nothing else is unpacked.

    Raises ConverterError for another file than the pinned one.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConverterError(f'{path} does not exist: fetch it with pip download') from None
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise ConverterError(
            f'{path.name} is damaged or not the pinned package: expected {SHA256}, found {found}'
        )
    needed = re.compile(
        r'easy_vqa/data/((train|test)/(questions\.json|images/\d+\.png)|answers\.txt)|.*/LICENSE'
    )
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if needed.fullmatch(name)]
        return {
            name.removeprefix('easy_vqa/data/').split('.dist-info/')[-1]: archive.read(name)
            for name in names
        }


def question_only_accuracy(train: Sequence[tuple], test: Sequence[tuple]) -> float:
    """Percent of the test's answers that are each question's most frequent one in training.

    Args:
        train, test: Rows (question, answer, image). A new question has the most frequent answer.
    """
    answers = defaultdict(Counter)
    for question, answer, _ in train:
        answers[question][answer] += 1
        answers[None][answer] += 1
    right = [
        (answers.get(question) or answers[None]).most_common(1)[0][0] == answer
        for question, answer, _ in test
    ]
    return 100 * sum(right) / len(right)


def question_type(question: str) -> str:
    """What comes before the shape or colour, as VQA v2's types do."""
    return ' '.join(question.split()[:2])


def vqa_files(rows: Sequence[tuple[int, tuple[str, str, int]]], subset: str) -> tuple[dict, dict]:
    """Numbered (question, answer, image) -> the content of a file of questions and one of answers.
    """
    questions, annotations = [], []
    for number, (question, answer, image) in rows:
        ids = dict(image_id=image, question_id=number)
        questions.append(dict(ids, question=question))
        answers = [
            dict(answer=answer, answer_confidence='yes', answer_id=i + 1)
            for i in range(ANNOTATORS)
        ]
        annotations.append(
            dict(
                ids,
                question_type=question_type(question),
                answer_type='yes/no' if answer in ('yes', 'no') else 'other',
                multiple_choice_answer=answer,
                answers=answers,
            )
        )
    return (
        dict(data_subtype=subset, questions=questions),
        dict(data_subtype=subset, annotations=annotations),
    )


def image_file(split: str, image: int) -> Path:
    """Where an image lies in the set, as mmpretrain's COCOVQA looks for it."""
    return Path('images', split, f'{image:012}.png')


def write_set(out: Path, members: dict[str, bytes]) -> dict:
    """Write the whole set into the empty folder `out`; returns the manifest."""
    rows = {
        split: list(enumerate(map(tuple, json.loads(members[f'{split}/questions.json']))))
        for split in ('train', 'test')
    }
    rows['train_dev'] = [row for row in rows['train'] if row[1][2] < FIRST_DEV_IMAGE]
    rows['val_dev'] = [row for row in rows['train'] if row[1][2] >= FIRST_DEV_IMAGE]
    for split, of_split in rows.items():
        questions, annotations = vqa_files(of_split, split)
        write_json(out / 'annotations' / f'{split}_questions.json', questions)
        write_json(out / 'annotations' / f'{split}_annotations.json', annotations)
    answers = sorted(members['answers.txt'].decode().split())
    (out / 'annotations' / 'answers.txt').write_text('\n'.join(answers) + '\n')
    for name, content in members.items():
        if name.endswith('.png'):
            split, _, file = name.split('/')
            path = out / image_file(split, int(Path(file).stem))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    (out / 'LICENSE').write_bytes(members['LICENSE'])
    texts = [f'{question} {answer}' for _, (question, answer, _) in rows['train']]
    train_tokenizer(texts, VOCAB_SIZE).save(str(out / 'tokenizer.json'))
    files = sorted(path for path in out.rglob('*') if path.is_file() and path.suffix != '.png')
    plain = [[row for _, row in rows[split]] for split in ('train', 'test')]
    manifest = dict(
        dataset=DATASET,
        package=PACKAGE,
        questions={split: len(of_split)
                   for split, of_split in rows.items()},
        question_only_accuracy=round(question_only_accuracy(*plain), 1),
        sha256={path.relative_to(out).as_posix(): sha256(path)
                for path in files},
    )
    write_json(out / 'manifest.json', manifest, indent=2)
    return manifest


def check_images(out: Path) -> None:
    """Raise ConverterError where an image that a question is about is missing."""
    for split in ('train', 'test'):
        content = json.loads((out / 'annotations' / f'{split}_questions.json').read_text())
        for image in {question['image_id'] for question in content['questions']}:
            path = out / image_file(split, image)
            if not path.is_file():
                raise ConverterError(f'{path} is missing: {REMEDY}')


def convert(out: Path, wheel: Path | None) -> None:
    """Make the set in `out`, or do nothing where it is complete."""
    manifest = read_manifest(out, DATASET)
    if manifest is not None:
        check_files(out, manifest)
        check_images(out)
        print(f'{out} is already complete')
        return
    with tempfile.TemporaryDirectory() as downloads:
        members = read_wheel(wheel or fetch_wheel(Path(downloads)))
    with partial_folder(out) as partial:
        manifest = write_set(partial, members)
    splits = ', '.join(f'{name} {count}' for name, count in manifest['questions'].items())
    print(f'Wrote {out}; questions per split: {splits}')
    print(
        "Each question's most frequent training answer, without a look at the image, is right for "
        f'{manifest["question_only_accuracy"]} % of the test questions'
    )


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Example: python tools/dataset_converters/easy_vqa.py --out data/easy_vqa',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--out', type=Path, required=True, help='folder to make')
    parser.add_argument(
        '--wheel', type=Path, help='the wheel of easy-vqa 1.0, to work offline (default: call pip)'
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: convert(args.out.resolve(), args.wheel))


if __name__ == '__main__':
    sys.exit(main())

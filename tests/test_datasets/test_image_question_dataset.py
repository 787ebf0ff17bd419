# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Questions and answers from files of each format."""

import csv
import json

import pytest
from PIL import Image

from mmcoca.datasets import AnnotationError, ImageQuestionDataset

ROWS = [
    ('a.png', 'what is it?', 'a cat'),
    ('a.png', 'is it, really, black?', 'no'),
    ('b.png', 'what is it?', 'a dog'),
]


@pytest.fixture
def folder(tmp_path):
    for name in ('a.png', 'b.png'):
        Image.new('RGB', (4, 4)).save(tmp_path / name)
    return tmp_path


def write(folder, ending, rows=ROWS, header=('image', 'question', 'answer')):
    """The file's name."""
    with open(folder / f'q{ending}', 'w', newline='') as file:
        if ending == '.jsonl':
            file.writelines(json.dumps(dict(zip(header, row))) + '\n' for row in rows)
        else:
            writer = csv.writer(file, delimiter='\t' if ending == '.tsv' else ',')
            writer.writerows([header, *rows])
    return f'q{ending}'


@pytest.mark.parametrize('ending', ['.jsonl', '.csv', '.tsv'])
@pytest.mark.parametrize('test_mode', [False, True])
def test_an_item_is_a_question(folder, ending, test_mode):
    dataset = ImageQuestionDataset(
        write(folder, ending), data_root=str(folder), test_mode=test_mode
    )
    assert [(item['question'], *item['gt_answer']) for item in dataset] == [r[1:] for r in ROWS]
    assert all(item['gt_answer_weight'] == [1.0] for item in dataset)
    assert [item['question_id'] for item in dataset] == [0, 1, 2]
    assert dataset[0]['image_id'] == dataset[1]['image_id'] != dataset[2]['image_id']
    assert dataset[2]['img_path'] == str(folder / 'b.png')


def test_annotators_and_names_of_columns(folder):
    rows = [('a.png', 'how many?', ['2', 'two', '2', '2'])]
    name = write(folder, '.jsonl', rows, ('file', 'asked', 'said'))
    dataset = ImageQuestionDataset(
        name, 'asked', 'said', image_key='file', data_root=str(folder), indices=1
    )
    assert dataset[0]['gt_answer'] == ['2', 'two'
                                       ] and dataset[0]['gt_answer_weight'] == [0.75, 0.25]

    assert ImageQuestionDataset(
        write(folder, '.jsonl', [('a.png', 'how many?', [' two', 'two', 'a  few'])]),
        data_root=str(folder),
    )[0]['gt_answer'] == ['two', 'a few']


@pytest.mark.parametrize(
    'ending, row, message',
    [
        ('.csv', ('a.png', ' ', 'a'), r"line 5: the question \('question'\) is empty"),
        ('.csv', ('a.png', 'a?', ''), r"line 5: the answer \('answer'\) is empty"),
        ('.jsonl', ('a.png', 'a?', []), r"line 4: the answer \('answer'\) is \[\], not a string"),
        (
            '.jsonl',
            ('a.png', 'a?', ['b', 3]), r"line 4: the answer \('answer'\) is 3, not a string"
        ),
        ('.jsonl', ('a.png', ['a?', 'b?'], 'c'), 'line 4: the question .* not a string'),
        ('.jsonl', ('a.png', 'a?'), "line 4: no 'answer'"),
        ('.tsv', ('c.png', 'a?', 'b'), 'c.png does not exist'),
    ],
)
def test_mistakes_are_named(folder, ending, row, message):
    name = write(folder, ending, [*ROWS, row])
    with pytest.raises(AnnotationError, match=message):
        ImageQuestionDataset(name, data_root=str(folder))


def test_files_of_vqa_v2_are_not_read(folder):
    with pytest.raises(AnnotationError, match="mmpretrain's COCOVQA reads them"):
        ImageQuestionDataset('questions.json', data_root=str(folder))

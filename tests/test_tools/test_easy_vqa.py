# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""easy-VQA as its converter writes it, from the pinned package."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from mmengine.registry import init_default_scope
from mmpretrain.registry import DATASETS

TOOL = 'dataset_converters/easy_vqa.py'


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """The package, by pip."""
    folder = tmp_path_factory.mktemp('wheel')
    command = [sys.executable, '-m', 'pip', 'download', '--no-deps', '--dest', folder]
    done = subprocess.run([*command, 'easy-vqa==1.0'], capture_output=True, text=True)
    if done.returncode:
        pytest.skip('easy-vqa cannot be downloaded')
    (path, ) = folder.glob('*.whl')
    return path


@pytest.fixture(scope='module')
def data(wheel, run_tool, tmp_path_factory):
    """The folder that the converter makes."""
    out = tmp_path_factory.mktemp('data') / 'easy_vqa'
    done = run_tool(TOOL, '--out', out, '--wheel', wheel)
    assert done.returncode == 0, done.stderr
    return out


def read(data, split):
    questions = json.loads((data / 'annotations' / f'{split}_questions.json').read_text())
    annotations = json.loads((data / 'annotations' / f'{split}_annotations.json').read_text())
    return questions['questions'], annotations['annotations']


def test_it_is_the_packages_own_split(data, wheel):
    with zipfile.ZipFile(wheel) as archive:
        for split, count in (('train', 38575), ('test', 9673)):
            theirs = json.loads(archive.read(f'easy_vqa/data/{split}/questions.json'))
            questions, annotations = read(data, split)
            ours = [
                [question['question'], answer['multiple_choice_answer'], question['image_id']]
                for question, answer in zip(questions, annotations, strict=True)
            ]
            assert ours == theirs and len(ours) == count
            for number in (0, 7):
                pixels = (data / 'images' / split / f'{number:012}.png').read_bytes()
                assert pixels == archive.read(f'easy_vqa/data/{split}/images/{number}.png')
    assert len((data / 'annotations' / 'answers.txt').read_text().splitlines()) == 13
    assert (data / 'LICENSE').read_text().startswith('MIT License')


def test_the_pair_to_choose_by_has_no_image_in_common(data):
    (train, _), (val, _) = read(data, 'train_dev'), read(data, 'val_dev')
    assert len(train) + len(val) == 38575
    images = [{question['image_id'] for question in part} for part in (train, val)]
    assert not images[0] & images[1] and (len(images[0]), len(images[1])) == (3500, 500)


def test_what_questions_alone_tell(data):
    answers = defaultdict(Counter)
    for question, answer in zip(*read(data, 'train')):
        answers[question['question']][answer['multiple_choice_answer']] += 1
    right = [
        answers[question['question']].most_common(1)[0][0] == answer['multiple_choice_answer']
        for question, answer in zip(*read(data, 'test'))
    ]
    manifest = json.loads((data / 'manifest.json').read_text())
    assert manifest['question_only_accuracy'] == round(100 * sum(right) / len(right), 1) == 67.0


def test_mmpretrains_data_set_reads_it(data):
    init_default_scope('mmpretrain')
    dataset = DATASETS.build(
        dict(
            type='COCOVQA',
            data_root=str(data),
            data_prefix='images/test',
            question_file='annotations/test_questions.json',
            ann_file='annotations/test_annotations.json',
        )
    )
    item = dataset.get_data_info(0)
    assert len(dataset) == 9673 and Path(item['img_path']).is_file()
    assert item['gt_answer'] == [read(data, 'test')[1][0]['multiple_choice_answer']]
    assert item['gt_answer_weight'] == [1.0]


def test_it_fetches_the_package_itself(data, run_tool, tmp_path):
    done = run_tool(TOOL, '--out', tmp_path / 'fetched')
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'fetched' / 'manifest.json').read_text() == (data /
                                                                    'manifest.json').read_text()


def test_mistakes_and_a_second_call(data, wheel, run_tool, tmp_path):
    done = run_tool(TOOL, '--out', data, '--wheel', wheel)
    assert done.returncode == 0 and 'is already complete' in done.stdout
    shutil.copy(wheel, tmp_path / wheel.name)
    with open(tmp_path / wheel.name, 'ab') as file:
        file.write(b'x')
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'file').write_text('mine')
    for arguments, message in (
        (['--out', tmp_path / 'x', '--wheel', tmp_path / wheel.name], 'not the pinned package'),
        (['--out', tmp_path / 'x', '--wheel', tmp_path / 'none.whl'], 'none.whl does not exist'),
        (['--out', tmp_path / 'mine', '--wheel', wheel], 'exists and is no mmcoca easy-VQA'),
    ):
        done = run_tool(TOOL, *arguments)
        assert done.returncode == 1 and message in done.stderr and done.stderr.count('\n') == 1
    assert not (tmp_path / 'x').exists()
    shutil.copytree(data, tmp_path / 'copy')
    (tmp_path / 'copy' / 'images' / 'test' / '000000000007.png').unlink()
    done = run_tool(TOOL, '--out', tmp_path / 'copy', '--wheel', wheel)
    assert done.returncode == 1 and '000000000007.png is missing' in done.stderr

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""VQA v2 configs, on questions about drawings in the data set's own format."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import pytest
import torch
from in_process import run_in_process
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from small_tasks import MODELS_OF_TASKS, evaluate, load_small, train_small

from mmcoca.labels import read_answers
from mmcoca.models.tasks.answers import answer_scores, answers_of, most_frequent

CONVERTER = Path(__file__).parents[2] / 'tools' / 'dataset_converters' / 'vqa_answers.py'
SUBSETS = ('train2014', 'val2014', 'test2015')


def list_answers(*arguments):
    """Run the tool that lists answers."""
    return run_in_process(CONVERTER, *arguments, cwd=Path.cwd())


def questions_about(drawings):
    """(drawing, question, what ten annotators say): a question's answer depends on the drawing."""
    for number, (_, name) in enumerate(drawings):
        other = drawings[number - 1][1]
        yield number, 'What is this?', [name] * 7 + ['drawing'] * 2 + ['no idea']
        yield number, f'Is this a {name}?', ['yes'] * 9 + ['no']
        yield number, f'Is this a {other}?', ['no'] * 10


def write_vqa(root, drawings):
    """The same images, questions and annotations as each of the three subsets."""
    questions, annotations = [], []
    for number, (image, question, answers) in enumerate(questions_about(drawings)):
        ids = dict(image_id=image + 1, question_id=(image + 1) * 1000 + number)
        questions.append(dict(ids, question=question))
        annotations.append(
            dict(
                ids,
                question_type='what is this' if question.startswith('What') else 'is this a',
                answer_type='other' if question.startswith('What') else 'yes/no',
                multiple_choice_answer=answers[0],
                answers=[
                    dict(answer=answer, answer_confidence='yes', answer_id=i)
                    for i, answer in enumerate(answers, start=1)
                ],
            )
        )
    (root / 'annotations').mkdir(parents=True)
    for subset in SUBSETS:
        (root / subset).mkdir()
        for number, (path, _) in enumerate(drawings, start=1):
            image = cv2.imread(str(path))
            cv2.imwrite(str(root / subset / f'COCO_{subset}_{number:012}.jpg'), image)
        content = dict(data_subtype=subset, questions=questions)
        path = root / 'annotations' / f'v2_OpenEnded_mscoco_{subset}_questions.json'
        path.write_text(json.dumps(content))
        content = dict(data_subtype=subset, annotations=annotations)
        if subset != 'test2015':
            path = root / 'annotations' / f'v2_mscoco_{subset}_annotations.json'
            path.write_text(json.dumps(content))


def load_small_vqa(name, folder, **options):
    """A VQA config over the data and the answers in this folder."""
    cfg = load_small(f'vqa/{name}.py', folder, **options)
    for part in ('train', 'val', 'test'):
        cfg[f'{part}_dataloader'].dataset.data_root = str(folder / 'coco')
    cfg.model.answers = str(folder / 'coco' / 'annotations' / 'vqav2_answers.txt')
    num_answers = len(read_answers(cfg.model.answers))
    cfg.model.understanding_head.num_classes = num_answers
    cfg.model.understanding_head.loss.loss_weight = num_answers
    return cfg


@pytest.fixture(scope='module', params=MODELS_OF_TASKS)
def model_name(request):
    """The model of the configs."""
    return request.param


@pytest.fixture(scope='module')
def trained(model_name, drawings, emoji_data, tmp_path_factory):
    """A folder with data and a small model that learned them -> folder, checkpoint."""
    folder = tmp_path_factory.mktemp('vqa')
    shutil.copy(emoji_data / 'tokenizer.json', folder)
    write_vqa(folder / 'coco', drawings[:8])
    annotations = folder / 'coco' / 'annotations'
    done = list_answers(
        annotations / 'v2_mscoco_train2014_annotations.json',
        *('--out', annotations / 'vqav2_answers.txt'),
        *('--min-count', '1'),
    )
    assert done.returncode == 0 and '10 answers of 24 of 24 questions' in done.stdout
    cfg = load_small_vqa(f'{model_name}_vqav2', folder, steps=200, batch_size=24)
    cfg.optim_wrapper.pop('paramwise_cfg')  # nothing is pretrained: all learns alike
    return folder, train_small(cfg)


def test_chosen_answers(model_name, trained):
    folder, checkpoint = trained
    assert evaluate(load_small_vqa(f'{model_name}_vqav2', folder), checkpoint)['VQA/acc'] == 100


@pytest.mark.parametrize('task', ['vqav2', 'vqav2_open_ended'])
def test_the_tool_answers_each_question_about_each_image(model_name, trained, task, run_tool):
    folder, checkpoint = trained
    load_small_vqa(f'{model_name}_{task}', folder).dump(folder / 'config.py')
    images = folder / 'coco' / 'val2014'
    content = json.loads(
        (images.parent / 'annotations' / 'v2_mscoco_val2014_annotations.json').read_text()
    )
    names = {
        f"COCO_val2014_{a['image_id']:012}.jpg": a['multiple_choice_answer']
        for a in content['annotations']
        if a['question_type'] == 'what is this'
    }
    asked = ['What is this?', f'Is this a {names["COCO_val2014_000000000001.jpg"]}?']
    done = run_tool(
        'inference/answer.py', folder / 'config.py', checkpoint, images, '--questions', *asked
    )
    assert done.returncode == 0, done.stderr
    rows = list(csv.reader(done.stdout.splitlines()))
    assert rows[0] == ['image', 'question', 'answer', 'probability'] and len(rows) == 17
    assert {row[0]: row[2] for row in rows[1:] if row[1] == asked[0]} == names
    assert rows[2][1:3] == [asked[1], 'yes'] and float(rows[2][3]) > 0.5


def test_open_ended_answers(model_name, trained):
    """Of the same weights: the captioner learned each question with its answer."""
    folder, checkpoint = trained
    cfg = load_small_vqa(f'{model_name}_vqav2_open_ended', folder)
    assert evaluate(cfg, checkpoint)['VQA/acc'] == 100


def test_submission(model_name, trained, drawings):
    folder, checkpoint = trained
    cfg = load_small_vqa(f'{model_name}_vqav2_test', folder)
    file = folder / 'answers.json'
    cfg.test_evaluator[0].file_path = str(file)
    evaluate(cfg, checkpoint)
    questions = enumerate(questions_about(drawings[:8]))
    expected = {
        (image + 1) * 1000 + number: answers[0]
        for number, (image, _, answers) in questions
    }
    assert {row['question_id']: row['answer'] for row in json.loads(file.read_text())} == expected


ANSWERS = ['yes', 'no', 'cat', 'a red umbrella']


@pytest.fixture
def model(tiny_config):
    """A small model with random weights, in float64."""
    torch.manual_seed(0)
    head = dict(
        type='mmcoca.UnderstandingHead',
        num_classes=4,
        dims=384,
        num_heads=4,
        loss=dict(type='mmpretrain.CrossEntropyLoss', use_sigmoid=True, loss_weight=4),
    )
    cfg = dict(
        tiny_config.model,
        type='mmcoca.CoCaForVQA',
        answers=ANSWERS,
        generation=dict(max_length=14),
        understanding_head=head,
    )
    return MODELS.build(cfg).eval().double()


def samples_of(questions):
    """Training samples: seven annotators say 'cat', two 'dog', one 'yes'."""
    samples = []
    for question in questions:
        sample = DataSample()
        sample.set_field(question, 'question')
        sample.set_field(['dog', 'cat', 'yes'], 'gt_answer')
        sample.set_field([0.2, 0.7, 0.1], 'gt_answer_weight')
        samples.append(sample)
    return samples


QUESTIONS = ['What is this?', 'Is it a cat or a dog?', 'What is this?', 'Red?']


def test_losses(model, tiny_config, images):
    """Binary cross entropy with the soft scores, and the plain CoCa's of question and answer."""
    images = images.double()
    samples = samples_of(QUESTIONS)
    losses = model.loss(images, samples)
    assert set(losses) == {'loss_answer', 'loss_captioning'}
    logits = model.understand(model.pool_regions(images), QUESTIONS)
    targets = torch.tensor([0.3, 0, 1, 0], dtype=torch.float64)
    chances = logits.sigmoid()
    entropy = -targets * chances.log() - (1 - targets) * (1 - chances).log()
    torch.testing.assert_close(losses['loss_answer'].double(), entropy.sum(dim=1).mean())

    plain = MODELS.build(tiny_config.model).eval().double()
    plain.load_state_dict(model.state_dict(), strict=False)
    captioned = [
        DataSample(gt_caption=f'{question} cat')  # what most annotators say
        for question in QUESTIONS
    ]
    expected = plain.loss(images, captioned)['loss_captioning']
    torch.testing.assert_close(losses['loss_captioning'], expected)


def test_without_a_captioning_head_the_answers_alone_are_trained(model, images):
    model.captioning_head = None
    assert set(model.loss(images.double(), samples_of(QUESTIONS))) == {'loss_answer'}


def test_chosen_answers_are_the_most_probable(model, images):
    images = images.double()
    logits = model.understand(model.pool_regions(images), QUESTIONS)
    for sample, row in zip(model.predict(images, samples_of(QUESTIONS)), logits):
        assert sample.pred_answer == ANSWERS[row.argmax()]
        torch.testing.assert_close(sample.pred_score, row.max().sigmoid())


def test_open_ended_answers_are_those_of_each_question_alone(model, images):
    images = images.double()
    model.open_ended = True
    predicted = model.predict(images, samples_of(QUESTIONS))
    for image, question, sample in zip(images, QUESTIONS, predicted):
        alone, = model.generate_captions(image[None], prefix=question, max_length=14)
        assert sample.pred_answer == alone[0].text.removeprefix(question).strip()
        start = len(model.tokenizer.encode([question])[0])
        expected = alone[0].log_probabilities[start:].sum().exp()
        torch.testing.assert_close(sample.pred_score, expected)
    assert len({sample.pred_answer for sample in predicted}) > 1


def test_open_ended_needs_a_captioner(tiny_config):
    head = dict(type='mmcoca.UnderstandingHead', num_classes=4, dims=384, num_heads=4)
    cfg = dict(
        tiny_config.model,
        type='mmcoca.CoCaForVQA',
        answers=ANSWERS,
        understanding_head=head,
        open_ended=True,
        generation=None,
    )
    with pytest.raises(ValueError, match='open_ended answers need a captioning_head and generatio'):
        MODELS.build(cfg)


def test_a_single_answer_is_all_annotators():
    """As GQA and VSR of mmpretrain have it."""
    for answer, shares, expected in (
        ('yes', None, (['yes'], [1.0])),
        (['yes', 'no'], None, (['yes', 'no'], [0.5, 0.5])),
        (['yes', 'no'], [0.8, 0.2], (['yes', 'no'], [0.8, 0.2])),
    ):
        sample = DataSample()
        sample.set_field(answer, 'gt_answer')
        if shares:
            sample.set_field(shares, 'gt_answer_weight')
        assert answers_of(sample) == expected


def test_scores_of_answers():
    """One annotator of ten is worth 0.3, two 0.6, three 0.9, four and more 1."""
    labels = dict(cat=0, dog=1, cow=2, hen=3, yes=4)
    scores = answer_scores(['hen', 'dog', 'cow', 'cat'], [0.4, 0.2, 0.3, 0.1], labels)
    torch.testing.assert_close(scores, torch.tensor([0.3, 0.6, 0.9, 1.0, 0.0]))
    scores = answer_scores(['unknown', 'yes'], [0.5, 0.5], labels)
    torch.testing.assert_close(scores, torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0]))
    assert torch.equal(answer_scores([' yes', 'unknown'], [0.5, 0.5], labels), scores)
    assert most_frequent(['cat', 'dog', 'cow'], [0.2, 0.4, 0.4]) == 'dog'


def test_answers_of_files(tmp_path, model):
    (tmp_path / 'answers.txt').write_text('yes\nred umbrella\n')
    (tmp_path / 'answers.json').write_text('["yes", "red umbrella"]')
    (tmp_path / 'object.json').write_text('{"yes": 0}')
    for name in ('answers.txt', 'answers.json'):
        assert read_answers(str(tmp_path / name)) == ['yes', 'red umbrella']
    with pytest.raises(ValueError, match='missing.txt.*no such file.*vqa_answers.py'):
        read_answers(str(tmp_path / 'missing.txt'))
    with pytest.raises(ValueError, match='object.json.*no list of strings'):
        read_answers(str(tmp_path / 'object.json'))
    (tmp_path / 'answers.txt').write_text('yes\nred  umbrella \n', encoding='utf-8-sig')
    assert read_answers(str(tmp_path / 'answers.txt')) == ['yes', 'red umbrella']
    with pytest.raises(ValueError, match="answer 'yes' is listed twice"):
        read_answers(['yes', 'no', 'yes'])
    model.answers = str(tmp_path / 'answers.txt')
    with pytest.raises(ValueError, match='2 answers, but the understanding head has 4 classes'):
        model.answer_labels


def test_list_of_answers(tmp_path):
    """The default keeps answers of 9 questions; order by frequency, then alphabet; none blank."""
    counts = dict(yes=12, zebra=9, cat=9, rare=8)
    answers = [answer for answer, count in counts.items() for _ in range(count)] + [''] * 10
    half = len(answers) // 2
    for name, part in (('train', answers[:half]), ('val', answers[half:])):
        rows = [dict(question_id=i, multiple_choice_answer=a) for i, a in enumerate(part)]
        (tmp_path / f'{name}.json').write_text(json.dumps(dict(annotations=rows)))
    out = tmp_path / 'answers.txt'
    done = list_answers(tmp_path / 'train.json', tmp_path / 'val.json', '--out', out)
    assert done.returncode == 0 and out.read_text() == 'yes\ncat\nzebra\n'
    assert '3 answers of 30 of 48 questions' in done.stdout
    (tmp_path / 'questions.json').write_text('{"questions": []}')
    done = list_answers(tmp_path / 'questions.json', '--out', out)
    assert done.returncode == 1 and 'questions.json: not the annotations' in done.stderr
    assert done.stderr.count('\n') == 1


def test_list_of_answers_of_a_table(tmp_path):
    table = tmp_path / 'q.csv'
    table.write_text('image,question,answer\na.png,x?,no\nb.png,y?,yes\nc.png,z?,yes\n')
    lines = tmp_path / 'q.jsonl'
    lines.write_text(json.dumps(dict(image='a', question='x?', answer=['no', 'yes', 'yes'])))
    done = list_answers(table, lines, '--out', tmp_path / 'answers.txt', '--min-count', '1')
    assert done.returncode == 0, done.stderr
    assert 'Wrote 2 answers of 4 of 4 questions' in done.stdout
    assert read_answers(str(tmp_path / 'answers.txt')) == ['yes', 'no']
    table.write_text('file,said\na.png, no \nb.png,no\nc.png,\n')
    names = ('--answer-key', 'said', '--image-key', 'file', '--min-count', '2')
    done = list_answers(table, '--out', tmp_path / 'answers.txt', *names)
    assert done.returncode == 1 and 'line 4: the answer (said) is empty' in done.stderr
    table.write_text('file,said\na.png, no \nb.png,no\n')
    assert list_answers(table, '--out', tmp_path / 'answers.txt', *names).returncode == 0
    assert read_answers(str(tmp_path / 'answers.txt')) == ['no']
    lines.write_text(json.dumps(dict(image='a', question='x?', answer=2)))
    done = list_answers(lines, '--out', tmp_path / 'answers.txt')
    assert done.returncode == 1 and 'q.jsonl: line 1: the answer (answer) is 2' in done.stderr
    table.write_text('image,question\na.png,x?\n')
    done = list_answers(table, '--out', tmp_path / 'answers.txt')
    assert done.returncode == 1 and "no column 'answer'" in done.stderr

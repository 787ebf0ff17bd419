# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import shutil
import sys
from pathlib import Path

import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from mmcoca.evaluation import caption_scores, exact_match

CAPTIONS = (Path(__file__).parent / 'captions.txt').read_text(encoding='utf-8').splitlines()


@pytest.mark.skipif(shutil.which('java') is None, reason='java is not installed')
def test_scores_equal_coco_evaluation_with_the_java_tokenizer():
    references = [CAPTIONS[i:i + 3] for i in range(0, 150, 3)]
    # Predictions share words with a reference: its start, then the end of another.
    predictions = [f'{texts[1][:30]} {texts[2][-15:]}' for texts in references]
    predictions[7] = ''
    scores = caption_scores(predictions, references)

    tokenizer = PTBTokenizer()
    truths = tokenizer.tokenize(
        {i: [dict(caption=text)
             for text in texts]
         for i, texts in enumerate(references)}
    )
    candidates = tokenizer.tokenize({i: [dict(caption=p)] for i, p in enumerate(predictions)})
    bleu, _ = Bleu(4).compute_score(truths, candidates, verbose=0)
    expected = {f'BLEU-{n}': 100 * value for n, value in enumerate(bleu, start=1)}
    expected['ROUGE-L'] = 100 * Rouge().compute_score(truths, candidates)[0]
    expected['CIDEr'] = 100 * Cider().compute_score(truths, candidates)[0]
    expected['exact_match'] = 0.0
    assert scores == pytest.approx(expected, abs=1e-9)
    assert 0 < scores['BLEU-4'] < 100


def test_scores_computed_by_hand(capsys):
    scores = caption_scores(['The cat sat on the mat.'], [['the cat is on the mat']])
    # n-grams found: 5 of 6, 3 of 5, 1 of 4, 0 of 3; the longest common subsequence: 5 of 6 words.
    assert scores['BLEU-1'] == pytest.approx(100 * 5 / 6)
    assert scores['BLEU-2'] == pytest.approx(100 * (5 / 6 * 3 / 5)**(1 / 2))
    assert scores['BLEU-3'] == pytest.approx(100 * (5 / 6 * 3 / 5 * 1 / 4)**(1 / 3))
    assert scores['BLEU-4'] == pytest.approx(0, abs=0.1)  # smoothed
    assert scores['ROUGE-L'] == pytest.approx(100 * 5 / 6)
    assert scores['CIDEr'] == 0  # no word is rarer than another among the captions of one image
    assert scores['exact_match'] == 0
    assert capsys.readouterr().out == ''


def test_perfect_captions_have_full_scores():
    captions = ['Two dogs play outside.', 'A man reads his book.', 'Red boats near some shore']
    scores = caption_scores(captions, [[caption.lower()] for caption in captions])
    perfect = {name: 100 for name in ('BLEU-1', 'BLEU-4', 'ROUGE-L', 'exact_match')}
    assert {name: scores[name] for name in perfect} == pytest.approx(perfect)
    assert scores['CIDEr'] == pytest.approx(1000)  # ten times the cosine


@pytest.mark.parametrize(
    'predictions, references',
    [
        ([''], [['a cat']]),
        (['', ''], [['a cat'], ['a dog', 'the dog']]),
        (['a cat', 'a dog'], [[''], ['...']]),
        (['?', '😀'], [['a cat'], ['a dog']]),
    ],
)
def test_empty_captions_score_nothing(predictions, references):
    assert all(
        value == pytest.approx(0, abs=1e-6)
        for value in caption_scores(predictions, references).values()
    )


def test_exact_match_ignores_case_and_spacing():
    predictions = ['Hot  Pepper ', 'hot pepper.', 'STRASSE', 'x']
    references = [['red', 'hot pepper'], ['hot pepper'], ['straße'], ['y', 'z']]
    assert exact_match(predictions, references) == 50


@pytest.mark.parametrize(
    'predictions, references, message',
    [
        ([], [], 'no caption'),
        (['a'], [['a'], ['b']], '1 predictions do not fit 2'),
        (['a', 'b'], [['a'], []], 'references of prediction 1'),
        (['a'], ['a cat'], 'references of prediction 0'),
    ],
)
def test_bad_input_is_told(predictions, references, message):
    with pytest.raises(ValueError, match=message):
        caption_scores(predictions, references)


def test_missing_programs_are_told(monkeypatch):
    monkeypatch.setenv('PATH', '')
    with pytest.raises(RuntimeError, match='needs the program "java"'):
        caption_scores(['a'], [['a']], meteor=True)
    monkeypatch.setitem(sys.modules, 'pycocoevalcap.bleu.bleu', None)
    with pytest.raises(ImportError, match='pip install pycocoevalcap'):
        caption_scores(['a'], [['a']])

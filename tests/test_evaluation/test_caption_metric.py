# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import json
import shutil

import pytest
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmpretrain.structures import DataSample

from mmcoca.evaluation import CaptionMetric, caption_scores, tokenize_characters

PREDICTIONS = ['A dog runs on the grass.', 'hot pepper', 'a man', 'Côte d’Ivoire']
TRUTHS = [['a dog runs on grass', 'The dog is running.'], 'Hot  pepper', ['a woman'], 'flag: Togo']


def evaluate(metric):
    samples = []
    for i, (prediction, truth) in enumerate(zip(PREDICTIONS, TRUTHS, strict=True)):
        sample = DataSample(metainfo=dict(image_id=10 * i))
        sample.pred_caption, sample.gt_caption = prediction, truth
        samples.append(sample)
    evaluator = Evaluator(metric)
    evaluator.process(samples[:3])
    evaluator.process(samples[3:])
    return evaluator.evaluate(len(samples))


def test_metric_equals_the_scores_of_its_captions():
    metrics = evaluate(dict(type='mmcoca.CaptionMetric'))
    references = [[truth] if isinstance(truth, str) else truth for truth in TRUTHS]
    scores = caption_scores(PREDICTIONS, references)
    assert metrics == {f'caption/{name}': value for name, value in scores.items()}
    assert {'caption/CIDEr', 'caption/BLEU-4', 'caption/ROUGE-L'} < set(metrics)
    assert metrics['caption/exact_match'] == 25
    assert 'caption/METEOR' not in metrics


def test_predictions_are_saved_as_coco_results(tmp_path):
    path = tmp_path / 'new' / 'results.json'
    evaluate(CaptionMetric(save_path=str(path), prefix='test'))
    assert json.loads(path.read_text(encoding='utf-8')) == [
        dict(image_id=10 * i, caption=prediction) for i, prediction in enumerate(PREDICTIONS)
    ]


@pytest.mark.skipif(shutil.which('java') is None, reason='java is not installed')
def test_meteor_where_java_is():
    assert 0 < evaluate(CaptionMetric(meteor='auto'))['caption/METEOR'] < 100


def test_meteor_auto_without_java(monkeypatch):
    monkeypatch.setenv('PATH', '')
    assert 'caption/METEOR' not in evaluate(CaptionMetric(meteor='auto'))


def test_bad_use_is_told(tmp_path):
    with pytest.raises(ValueError, match="'auto'"):
        CaptionMetric(meteor='always')
    with pytest.raises(KeyError, match='pred_caption'):
        Evaluator(CaptionMetric()).process([DataSample(gt_caption='a cat')])
    metric = CaptionMetric(save_path=str(tmp_path / 'results.json'))
    with pytest.raises(KeyError, match='image_id'):
        Evaluator(metric).process([DataSample(gt_caption='a cat', pred_caption='a cat')])


def warnings_of(tmp_path, metric, predictions, truths):
    """What is logged while a metric computes, and the metrics."""
    log = tmp_path / 'log'
    MMLogger.get_instance(str(tmp_path), log_file=str(log))
    metric.process(None, [dict(pred_caption=p, gt_caption=t) for p, t in zip(predictions, truths)])
    metrics = metric.evaluate(len(predictions))
    return log.read_text(), metrics


def test_scores_that_mean_little_are_said_to(tmp_path):
    said, metrics = warnings_of(tmp_path, CaptionMetric(), ['a cat'], ['a cat'])
    assert metrics['caption/CIDEr'] == 0
    assert 'WARNING - caption/CIDEr is 0 for any caption of a single image' in said


def test_captions_without_spaces(tmp_path):
    """By hand: 5 of 6 characters agree, and 2 of 4 pairs."""
    predictions, truths = ['一只猫睡。', '我爱北京天安门'], ['一只猫睡', '我爱北京天安门']
    said, metrics = warnings_of(tmp_path, CaptionMetric(), predictions, truths)
    assert metrics['caption/BLEU-4'] < 1
    assert "no spaces between words" in said and "tokenizer='characters'" in said
    log = tmp_path / 'characters'
    log.mkdir()
    metric = CaptionMetric(tokenizer='characters')
    said, metrics = warnings_of(log, metric, predictions, truths)
    assert 'WARNING' not in said
    assert metrics['caption/BLEU-4'] == pytest.approx(100, abs=1e-3)
    metric = CaptionMetric(tokenizer='characters')
    _, metrics = warnings_of(log, metric, ['一只狗睡了', '天'], ['一只猫睡了', '天'])
    assert metrics['caption/BLEU-1'] == pytest.approx(100 * 5 / 6, abs=1e-3)
    assert metrics['caption/BLEU-2'] == pytest.approx(100 * (5 / 6 * 2 / 4)**0.5, abs=1e-3)


@pytest.mark.parametrize(
    'caption, tokens',
    [
        ('一只猫 on a sofa。', '一 只 猫 on a sofa'),
        ('ネコ、スーパー', 'ネ コ ス ー パ ー'),
        ('กินข้าว', 'กิ น ข้ า ว'),
        ("A man's dog, isn't it?", "a man 's dog is n't it"),
        ('개가 잔다', '개가 잔다'),  # Korean has spaces
    ]
)
def test_characters(caption, tokens):
    assert tokenize_characters([caption]) == [tokens]

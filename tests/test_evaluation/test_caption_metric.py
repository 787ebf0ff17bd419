# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import json
import shutil

import pytest
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample

from mmcoca.evaluation import CaptionMetric, caption_scores

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

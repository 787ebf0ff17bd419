# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import warnings

import pytest
import torch
import torch.nn.functional as F
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmpretrain.structures import DataSample
from warm_processes import run_on_ranks

from mmcoca.evaluation import RetrievalMetric, retrieval_recalls

KEYS = [f'{way}/retrieval/Recall@{k}' for way in ('i2t', 't2i') for k in (1, 5, 10)]


def make_samples(text_counts, captions=None):
    """One data sample per image; a text's feature depends on its caption alone, where given."""
    generator = torch.Generator().manual_seed(0)
    vectors = {}
    samples = []
    for i, count in enumerate(text_counts):
        image = F.normalize(torch.randn(4, generator=generator), dim=0)
        texts = F.normalize(image + torch.randn(count, 4, generator=generator))
        sample = DataSample(metainfo=dict(image_id=i))
        if captions is not None:
            texts = torch.stack(
                [vectors.setdefault(c, t) for c, t in zip(captions[i], texts, strict=True)]
            )
            sample.gt_caption = captions[i] if count > 1 else captions[i][0]
        sample.image_feature, sample.text_features = image, texts
        samples.append(sample)
    return samples


def evaluate(metric, samples, batch_size=3):
    evaluator = Evaluator(metric)
    for start in range(0, len(samples), batch_size):
        evaluator.process(samples[start:start + batch_size])
    return evaluator.evaluate(len(samples))


def test_metric_equals_recalls_of_its_features():
    counts = [5, 1, 2, 5, 3, 1, 4, 5, 5, 2, 1, 1]
    samples = make_samples(counts)
    metrics = evaluate(dict(type='mmcoca.RetrievalMetric'), samples)
    assert list(metrics) == KEYS
    expected = retrieval_recalls(
        torch.stack([sample.image_feature for sample in samples]),
        torch.cat([sample.text_features for sample in samples]),
        torch.arange(len(counts)),
        torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)),
    )
    for way in ('i2t', 't2i'):
        for k in (1, 5, 10):
            assert metrics[f'{way}/retrieval/Recall@{k}'] == expected[way][k]


def test_identical_texts_are_one_text():
    captions = [['a', 'b'], ['b', 'c', 'b'], ['d'], ['a'], ['d'], ['c', 'e'], ['f'], ['a', 'f']]
    samples = make_samples([len(texts) for texts in captions], captions)
    metrics = evaluate(RetrievalMetric(topk=(1, 2), merge_identical_texts=True), samples)

    feature = {
        caption: vector
        for sample, texts in zip(samples, captions, strict=True)
        for caption, vector in zip(texts, sample.text_features, strict=True)
    }
    names = sorted(feature)
    scores = [[float(sample.image_feature @ feature[name]) for name in names] for sample in samples]
    carries = [[name in texts for name in names] for texts in captions]
    for way in ('i2t', 't2i'):
        if way == 't2i':
            scores, carries = list(zip(*scores, strict=True)), list(zip(*carries, strict=True))
        for k in (1, 2):
            hits = 0
            for row, relevant in zip(scores, carries, strict=True):
                best = sorted(range(len(row)), key=lambda j: -row[j])[:k]
                hits += any(relevant[j] for j in best)
            key = f'{way}/retrieval/Recall@{k}'
            assert metrics[key] == pytest.approx(100 * hits / len(scores)), key


def test_shared_captions_tie_unless_merged():
    samples = make_samples([1, 1, 1], [['cat'], ['cat'], ['cat']])
    assert evaluate(RetrievalMetric(), samples)['i2t/retrieval/Recall@1'] == 0
    merged = evaluate(RetrievalMetric(merge_identical_texts=True), samples)
    assert set(merged.values()) == {100.0}


def test_prefix_topk_and_no_warning(caplog):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        metric = RetrievalMetric(topk=[3])
    assert 'prefix' not in caplog.text
    assert list(evaluate(metric, make_samples([2] * 5))) == [
        'i2t/retrieval/Recall@3',
        't2i/retrieval/Recall@3',
    ]
    prefixed = evaluate(RetrievalMetric(prefix='emoji'), make_samples([2] * 5))
    assert list(prefixed) == [f'emoji/{key}' for key in KEYS]


def test_bad_samples_are_told():
    with pytest.raises(KeyError, match='text_features'):
        evaluate(RetrievalMetric(), [DataSample(image_feature=torch.ones(4))])
    with pytest.raises(KeyError, match='gt_caption'):
        evaluate(RetrievalMetric(merge_identical_texts=True), make_samples([1, 1]))
    sample = make_samples([2], [['a', 'b']])[0]
    sample.gt_caption = 'a'
    with pytest.raises(ValueError, match='1 captions in gt_caption but 2 text_features'):
        evaluate(RetrievalMetric(merge_identical_texts=True), [sample])
    with pytest.raises(ValueError, match='no data samples'):
        RetrievalMetric().evaluate(0)


def evaluate_on_rank(rank):
    """Evaluate every second sample, as MMEngine's default sampler deals them out, then pad."""
    samples = make_samples([2, 1, 5, 1, 3, 2, 2])
    indices = [i % len(samples) for i in range(rank, 8, 2)]  # 7 samples, padded to 8
    evaluator = Evaluator(RetrievalMetric())
    evaluator.process([samples[i] for i in indices])
    return evaluator.evaluate(len(samples))


def test_two_processes_give_the_figures_of_one():
    assert run_on_ranks(evaluate_on_rank,
                        2)[0] == evaluate(RetrievalMetric(), make_samples([2, 1, 5, 1, 3, 2, 2]))


def test_recalls_that_no_model_could_miss_are_said_to_be(tmp_path):
    MMLogger.get_instance(str(tmp_path), log_file=str(tmp_path / 'log'))
    features = torch.eye(6)
    metric = RetrievalMetric()
    metric.process(None, [dict(image_feature=f, text_features=f.roll(1)[None]) for f in features])
    assert metric.evaluate(6)['i2t/retrieval/Recall@10'] == 100
    said = (tmp_path / 'log').read_text()
    assert '6 images and 6 texts: Recall@10 would be 100 whatever the model' in said

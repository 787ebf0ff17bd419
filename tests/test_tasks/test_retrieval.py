# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Retrieval configs, on drawings in Karpathy's format, and re-ranking against pairs one by one."""

import json
import shutil
from copy import deepcopy
from functools import cache
from pathlib import Path

import cv2
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmpretrain.registry import MODELS
from small_tasks import (
    CONFIGS,
    MODELS_OF_TASKS,
    evaluate,
    evaluate_in_processes,
    load_small,
    pretrain_small,
)

from mmcoca.command_line import build_testing
from mmcoca.datasets import AnnotationError
from mmcoca.errors import UserError
from mmcoca.evaluation import nearest_keys, recall_at_k, reranked_ranks
from mmcoca.evaluation.recall import relevant_ranks
from mmcoca.models.pair_scores import score_pairs

TEMPLATES = ('a drawing of {}', '{} in colour', 'here is {}', 'one {} alone', 'just {}')


def write_karpathy(folder, drawings, image_folder, name):
    """Images and a file as Karpathy's, with a training image that must not be tested."""
    (folder / image_folder).mkdir(parents=True)
    (folder / 'annotations').mkdir()
    images = []
    for number, (path, caption) in enumerate(drawings):
        shutil.copy(path, folder / image_folder / f'{number:012}.jpg')
        sentences = [
            dict(raw=template.format(caption), imgid=number, sentid=5 * number + i)
            for i, template in enumerate(TEMPLATES)
        ]
        images.append(
            dict(
                filename=f'{number:012}.jpg',
                imgid=number,
                sentids=[sentence['sentid'] for sentence in sentences],
                sentences=sentences,
                split='train' if number == len(drawings) - 1 else 'test',
            )
        )
    content = dict(images=images, dataset=name)
    (folder / 'annotations' / f'dataset_{name}.json').write_text(json.dumps(content))


@pytest.fixture(scope='module', params=MODELS_OF_TASKS)
def model_name(request):
    """The model of the configs."""
    return request.param


@pytest.fixture(scope='module')
def pretrain(drawings, emoji_data, tmp_path_factory):
    """A function that trains a small model, by name, on these pairs -> its checkpoint."""
    pairs = [
        (path, [template.format(caption) for template in TEMPLATES]) for path, caption in drawings
    ]

    @cache
    def train(model_name):
        folder = tmp_path_factory.mktemp('pretrained')
        shutil.copy(emoji_data / 'tokenizer.json', folder)
        return pretrain_small(folder, pairs, steps=200, model=model_name)

    return train


@pytest.fixture(scope='module')
def pretrained(model_name, pretrain):
    """A small model that learned the pairs -> its checkpoint."""
    return pretrain(model_name)


@pytest.mark.parametrize(
    'name, image_folder, file',
    [
        ('coco5k', 'val2014', 'coco'),
        ('coco1k', 'val2014', 'coco'),
        ('coco5k_rerank', 'val2014', 'coco'),
        ('flickr30k', 'images', 'flickr30k'),
    ],
)
def test_configs(folder, drawings, model_name, pretrained, name, image_folder, file):
    cfg = load_small(f'retrieval/{model_name}_{name}.py', folder)
    write_karpathy(folder, drawings[:26], image_folder, file)
    cfg.test_dataloader.dataset.data_root = str(folder)
    assert len(build_testing(cfg.copy()).test_dataloader.dataset) == 25
    metrics = evaluate(cfg, pretrained)
    kinds = ['retrieval', 'reranked'] if name.endswith('rerank') else ['retrieval']
    for kind in kinds:
        assert metrics[f'i2t/{kind}/Recall@1'] >= 90 and metrics[f't2i/{kind}/Recall@1'] >= 90
        assert metrics[f'i2t/{kind}/Recall@10'] == 100


@pytest.mark.parametrize(
    'content, message',
    [
        ('{"images": [', 'JSONDecodeError: Expecting value'),
        ('[1, 2]', 'TypeError: list indices'),
        ('{"images": []}', 'ValueError'),
    ],
)
def test_an_annotation_file_of_another_form_is_named(folder, content, message):
    cfg = load_small('retrieval/coca_base_coco5k.py', folder)
    path = folder / 'annotations' / 'dataset_coco.json'
    path.parent.mkdir()
    path.write_text(content)
    cfg.test_dataloader.dataset.data_root = str(folder)
    with pytest.raises(UserError) as raised:
        build_testing(cfg)
    assert f'data set of {path}: {message}' in str(raised.value)


def test_msrvtt(folder, drawings, model_name, pretrained):
    """Clips that show one drawing, with others for a moment, and the data set's own JSON."""
    cfg = load_small(f'retrieval/{model_name}_msrvtt.py', folder)
    cfg.test_dataloader.dataset.pipeline[0].num_frames = 4
    (folder / 'videos').mkdir()
    shown = [cv2.imread(str(path)) for path, _ in drawings[:8]]
    for number, drawing in enumerate(shown):
        frames = [drawing] * 9 + [shown[number - 1]] * 3
        path = folder / 'videos' / f'video{number + 7010}.mp4'
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 10, drawing.shape[:2])
        for frame in frames:
            writer.write(frame)
        writer.release()
    videos = [
        dict(video_id=f'video{n + 7010}', split='test', category=9, url='', id=n) for n in range(8)
    ]
    videos.append(dict(video_id='video0', split='train', category=1, url='', id=8))
    sentences = [
        dict(caption=template.format(name), video_id=f'video{n + 7010}', sen_id=len(TEMPLATES) * n)
        for n, (_, name) in enumerate(drawings[:8])
        for template in TEMPLATES
    ]
    content = dict(info=dict(), videos=videos, sentences=sentences)
    (folder / 'MSRVTT_data.json').write_text(json.dumps(content))
    cfg.test_dataloader.dataset.data_root = str(folder)
    metrics = evaluate(cfg, pretrained)
    assert min(metrics['t2i/retrieval/Recall@1'], metrics['i2t/retrieval/Recall@1']) >= 75
    (folder / 'MSRVTT_data.json').write_text('[]')
    with pytest.raises(AnnotationError, match='not the JSON of MSR-VTT'):
        evaluate(cfg, pretrained)


def test_clips_are_the_mean_of_their_frames(tiny_config, images):
    cfg = dict(tiny_config.model, type='mmcoca.CoCaForVideoRetrieval')
    model = MODELS.build(cfg).eval()
    with torch.no_grad():
        found = model.encode_clips(images.view(2, 2, *images.shape[1:]))
        frames = model.encode_image(images)
    for clip in range(2):
        mean = (frames[2 * clip] + frames[2 * clip + 1]) / 2
        torch.testing.assert_close(found[clip], mean / mean.norm())


@torch.no_grad()
def test_pairs_are_scored_as_one_by_one(tiny_model, images):
    model = tiny_model.double()
    texts = ['hot pepper', 'cat', 'person: blond hair', 'a red flag of an island far away', 'sun']
    pairs = torch.tensor([(2, 1), (0, 3), (2, 0), (1, 2), (2, 4), (0, 0), (2, 1)])
    regional_tokens = model.pool(images.double())[1]
    for images_per_batch in (1, 2, 16):
        found = score_pairs(
            model.text,
            model.captioning_head,
            regional_tokens,
            model.tokenizer(texts),
            pairs,
            images_per_batch,
        )
        expected = [
            model.score(images[image, None].double(), [texts[text]]) for image, text in pairs
        ]
        torch.testing.assert_close(found, torch.cat(expected))


def test_reranking_by_hand():
    generator = torch.Generator().manual_seed(0)
    queries = torch.nn.functional.normalize(torch.randn(30, 4, generator=generator), dim=-1)
    keys = torch.nn.functional.normalize(torch.randn(40, 4, generator=generator), dim=-1)
    query_groups, key_groups = torch.arange(30) % 20, torch.arange(40) % 20
    relevant = (query_groups[:, None] == key_groups).nonzero()
    near, similarities = nearest_keys(queries, keys, 6)
    scores = torch.randint(0, 4, near.shape, generator=generator).float()
    found = reranked_ranks(relevant_ranks(queries, keys, relevant), near, scores, relevant)
    for query in range(30):
        order = sorted(range(40), key=lambda key: -float(queries[query] @ keys[key]))
        assert near[query].tolist() == order[:6]
        score = dict(zip(order[:6], scores[query].tolist()))
        # Of equal scores the relevant come last.
        first = sorted(order[:6], key=lambda key: (-score[key], key % 20 == query % 20))
        ranked = [key % 20 == query % 20 for key in first + order[6:]]
        assert int(found[query]) == ranked.index(True)
    # With the similarity itself as score nothing changes.
    same = reranked_ranks(relevant_ranks(queries, keys, relevant), near, similarities, relevant)
    recall = 100 * (same < 5).double().mean().item()
    assert recall == pytest.approx(recall_at_k(queries, keys, query_groups, key_groups)[5])


@pytest.fixture(scope='module')
def reranking(drawings, pretrain, emoji_data, tmp_path_factory):
    """A config that re-ranks 25 drawings."""
    folder = tmp_path_factory.mktemp('reranking')
    shutil.copy(emoji_data / 'tokenizer.json', folder)
    cfg = load_small('retrieval/coca_base_coco5k_rerank.py', folder)
    write_karpathy(folder, drawings[:26], 'val2014', 'coco')
    cfg.test_dataloader.dataset.data_root = str(folder)
    cfg.load_from = pretrain('coca_base')
    return cfg


@pytest.fixture(scope='module')
def reranked(reranking):
    """Its metrics, in float32 and in one process."""
    return build_testing(reranking.copy()).test()


class OrderHook(Hook):
    """Notes in which order it is called."""

    def __init__(self):
        self.calls = []
        for stage in self.stages:
            if 'test' in stage:
                setattr(self, stage, lambda *args, stage=stage, **kwargs: self.calls.append(stage))


def test_reranking_calls_hooks_as_a_plain_test_does(reranking):
    calls = []
    for loop in ('mmcoca.RerankingTestLoop', 'TestLoop'):
        cfg = deepcopy(reranking)
        cfg.test_cfg = dict(type=loop)
        cfg.experiment_name = loop
        runner = build_testing(cfg)
        hook = OrderHook()
        runner.register_hook(hook)
        runner.test()
        calls.append(hook.calls)
    assert calls[0] == calls[1] and len(calls[0]) == 8


@pytest.mark.parametrize('merge', [True, False])
def test_reranking_counts_equal_captions_as_the_evaluator_does(reranking, merge):
    """By the similarity alone nothing changes, whichever texts count as one."""
    cfg = deepcopy(reranking)
    cfg.test_cfg.similarity_weight = 1e6
    cfg.test_evaluator = [dict(type='mmcoca.RetrievalMetric', merge_identical_texts=merge)]
    dataset = cfg.test_dataloader.dataset
    root = Path(dataset.data_root)
    rows = [
        dict(image=path.name, caption=f'drawing {place // 2}')
        for place, path in enumerate(sorted((root / 'val2014').iterdir()))
    ]
    (root / 'pairs.jsonl').write_text(''.join(json.dumps(row) + '\n' for row in rows))
    cfg.test_dataloader.dataset = dict(
        type='mmcoca.ImageTextDataset',
        data_root=str(root),
        data_prefix='val2014',
        ann_file='pairs.jsonl',
        pipeline=dataset.pipeline,
        test_mode=True,
    )
    metrics = build_testing(cfg).test()
    plain = {k: value for k, value in metrics.items() if '/retrieval/' in k}
    assert {k.replace('reranked', 'retrieval'): v
            for k, v in metrics.items()
            if '/reranked/' in k} == pytest.approx(plain)


def test_reranking_in_bfloat16(reranking, reranked):
    cfg = deepcopy(reranking)
    cfg.test_cfg.fp16 = True
    runner = build_testing(cfg)
    found = runner.test()
    assert {tokens.dtype for tokens in runner.test_loop.regional_tokens} == {torch.bfloat16}
    assert found == pytest.approx(reranked, abs=8)  # two queries of 25


def test_reranking_under_a_launcher_alone(reranking, reranked, tmp_path):
    ((found, ), ) = evaluate_in_processes([reranking], 1)
    assert found == pytest.approx(reranked)


def test_without_a_captioner(tiny_config, tmp_path):
    cfg = Config.fromfile(CONFIGS / 'retrieval' / 'coca_tiny_emoji_rerank.py')
    cfg.model = dict(tiny_config.model, captioning_head=None, generation=None)
    cfg.test_dataloader = tiny_config.test_dataloader
    cfg.work_dir = str(tmp_path)
    assert MODELS.build(cfg.model).captioning_head is None
    with pytest.raises(Exception, match='re-ranking needs a captioning_head'):
        build_testing(cfg)

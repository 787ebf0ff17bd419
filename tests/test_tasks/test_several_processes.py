# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Every kind of evaluation by several processes gives the figures of one.

The models have learned a little, so that hardly any figure is 0 or 100; the number of images is
none that the processes divide.
"""

import shutil

import pytest
from small_tasks import (
    evaluate,
    evaluate_in_processes,
    load_small,
    pretrain_small,
    shrink_pipeline,
    train_small,
)
from test_retrieval import write_karpathy
from test_vqa import list_answers, load_small_vqa, write_vqa

NUM_IMAGES = 25


@pytest.fixture(scope='module')
def folder(drawings, emoji_data, tmp_path_factory):
    """The drawings as COCO's test images, in folders of classes, and with questions."""
    folder = tmp_path_factory.mktemp('tasks')
    shutil.copy(emoji_data / 'tokenizer.json', folder)
    write_karpathy(folder, drawings[:NUM_IMAGES + 1], 'val2014', 'coco')
    for number, (path, _) in enumerate(drawings):
        name = drawings[number % 5][1]
        part = 'keys' if number < 20 else 'queries'
        (folder / part / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / part / name / f'{number}.png')
    write_vqa(folder / 'coco', drawings[:7])
    annotations = folder / 'coco' / 'annotations'
    done = list_answers(
        annotations / 'v2_mscoco_train2014_annotations.json',
        *('--out', annotations / 'vqav2_answers.txt', '--min-count', '1'),
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope='module')
def tasks(folder, drawings):
    """Config by task, each with a checkpoint to test."""
    pairs = [(path, [f'a photo of a {name}.']) for path, name in drawings]
    pretrained = pretrain_small(folder, pairs, 40)

    reranking = load_small('retrieval/coca_base_coco5k_rerank.py', folder)
    reranking.test_dataloader.dataset.data_root = str(folder)
    captions = load_small('captioning/coca_base_coco_contrastive.py', folder)
    captions.test_dataloader = dict(reranking.test_dataloader)
    captions.test_evaluator = [
        dict(type='mmcoca.RetrievalMetric'),
        dict(type='mmcoca.CaptionMetric')
    ]
    zero_shot = load_small('zeroshot/coca_base_folder.py', folder)
    zero_shot.model.classes = zero_shot.test_dataloader.dataset.data_root = str(folder / 'queries')
    neighbours = load_small('classification/coca_base_knn_imagenet.py', folder)
    keys = neighbours.test_cfg.key_dataloader
    keys.update(batch_size=8, num_workers=0, persistent_workers=False)
    shrink_pipeline(keys.dataset.pipeline)
    for dataset, part in ((keys.dataset, 'keys'), (neighbours.test_dataloader.dataset, 'queries')):
        dataset.pop('split')
        dataset.update(type='CustomDataset', data_root=str(folder / part))
    neighbours.test_cfg.k = 3
    tasks = dict(reranking=reranking, captions=captions, zero_shot=zero_shot, neighbours=neighbours)
    for cfg in tasks.values():
        cfg.load_from = pretrained

    training = load_small_vqa('coca_base_vqav2', folder, steps=60, batch_size=21)
    training.optim_wrapper.pop('paramwise_cfg')
    answering = train_small(training)
    for name in ('coca_base_vqav2', 'coca_base_vqav2_open_ended'):
        tasks[name] = load_small_vqa(name, folder)
        tasks[name].load_from = answering
    return tasks


@pytest.fixture(scope='module')
def figures(tasks):
    """The metrics of each task by one process."""
    return {name: evaluate(cfg, cfg.load_from) for name, cfg in tasks.items()}


@pytest.mark.parametrize('processes', [2, 3])
def test_figures_are_those_of_one_process(tasks, figures, processes):
    found = evaluate_in_processes(list(tasks.values()), processes)
    assert len(found) == processes
    for of_process in found:
        for (name, expected), metrics in zip(figures.items(), of_process, strict=True):
            assert metrics == pytest.approx(expected, abs=1e-4), name
    values = [value for metrics in figures.values() for value in metrics.values()]
    assert sum(0 < value < 100 for value in values) > len(values) / 2

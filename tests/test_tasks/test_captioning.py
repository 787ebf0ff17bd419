# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Captioning configs, on drawings in each data set's own format."""

import json
import shutil

import pytest
import torch
from small_tasks import MODELS_OF_TASKS, evaluate, load_small, train_small

CAPTIONS = ('a drawing of {}', 'one {} alone')


@pytest.fixture
def eight(drawings):
    return drawings[:8]


def write_coco(folder, drawings):
    """COCO's images and Karpathy's splits as BLIP published them."""
    (folder / 'val2014').mkdir()
    (folder / 'annotations').mkdir()
    train, test = [], []
    for number, (path, name) in enumerate(drawings):
        image = f'val2014/COCO_val2014_{number:012}.jpg'
        shutil.copy(path, folder / image)
        captions = [caption.format(name) for caption in CAPTIONS]
        test.append(dict(image=image, caption=captions))
        train.append(dict(image=image, caption=captions[0], image_id=f'coco_{number}'))
    for split, content in dict(train=train, val=test, test=test).items():
        path = folder / 'annotations' / f'coco_karpathy_{split}.json'
        path.write_text(json.dumps(content))


def set_root(cfg, folder, *parts):
    for part in parts or ('train', 'val', 'test'):
        cfg[f'{part}_dataloader'].dataset.data_root = str(folder)


def assert_learned(metrics):
    assert metrics['caption/exact_match'] == 100 and metrics['caption/CIDEr'] > 400


@pytest.mark.parametrize('model', MODELS_OF_TASKS)
@pytest.mark.parametrize('name', ['coco', 'coco_contrastive'])
def test_coco(folder, eight, name, model):
    cfg = load_small(f'captioning/{model}_{name}.py', folder, steps=80, batch_size=8)
    write_coco(folder, eight)
    set_root(cfg, folder)
    checkpoint = train_small(cfg)
    metrics = evaluate(cfg, checkpoint)
    assert_learned(metrics)
    # Retrieval is learned with the contrastive loss alone.
    is_kept = name == 'coco_contrastive'
    assert (metrics['i2t/retrieval/Recall@1'] == 100) == is_kept
    weights = torch.load(checkpoint, weights_only=False)['state_dict']
    assert (float(weights['contrastive_head.logit_scale'].exp()) == pytest.approx(1 / 0.07)) \
        != is_kept


@pytest.mark.parametrize('model', MODELS_OF_TASKS)
def test_flickr30k(folder, eight, model):
    cfg = load_small(f'captioning/{model}_flickr30k.py', folder, steps=80, batch_size=8)
    (folder / 'images').mkdir()
    (folder / 'annotations').mkdir()
    images = []
    for number, (path, name) in enumerate(eight):
        for split in ('train', 'val', 'test'):
            filename = f'{number}{split}.jpg'
            shutil.copy(path, folder / 'images' / filename)
            used = CAPTIONS[:1] if split == 'train' else CAPTIONS
            sentences = [dict(raw=c.format(name), imgid=number, sentid=0) for c in used]
            image = dict(filename=filename, split=split, imgid=len(images), sentences=sentences)
            images.append(image)
    path = folder / 'annotations' / 'dataset_flickr30k.json'
    path.write_text(json.dumps(dict(images=images, dataset='flickr30k')))
    set_root(cfg, folder)
    assert_learned(evaluate(cfg, train_small(cfg)))


@pytest.mark.parametrize('model', MODELS_OF_TASKS)
def test_nocaps(folder, eight, monkeypatch, model):
    """Training on COCO's captions, scores on the validation images, files for the server."""
    monkeypatch.chdir(folder)  # the files go to work_dirs below
    cfg = load_small(f'captioning/{model}_nocaps.py', folder, steps=80, batch_size=8)
    write_coco(folder, eight)
    root = folder / 'nocaps'
    (root / 'images').mkdir(parents=True)
    (root / 'annotations').mkdir()
    images, annotations = [], []
    for number, (path, name) in enumerate(eight):
        shutil.copy(path, root / 'images' / f'{number:016x}.jpg')
        image = dict(id=number + 40, file_name=f'{number:016x}.jpg', width=72, height=72)
        images.append(dict(image, domain='near-domain', open_images_id=f'{number:016x}'))
        for caption in CAPTIONS:
            annotation = dict(id=len(annotations), image_id=image['id'])
            annotations.append(dict(annotation, caption=caption.format(name)))
    path = root / 'annotations' / 'nocaps_val_4500_captions.json'
    path.write_text(json.dumps(dict(images=images, annotations=annotations)))
    path = root / 'annotations' / 'nocaps_test_image_info.json'
    path.write_text(json.dumps(dict(images=images)))
    set_root(cfg, folder, 'train')
    set_root(cfg, root, 'val', 'test')
    checkpoint = train_small(cfg)
    assert_learned(evaluate(cfg, checkpoint))
    expected = [
        dict(image_id=number + 40, caption=CAPTIONS[0].format(name))
        for number, (_, name) in enumerate(eight)
    ]
    assert json.loads((folder / 'work_dirs' / 'nocaps_val.json').read_text()) == expected
    cfg = load_small(f'captioning/{model}_nocaps_test.py', folder)
    set_root(cfg, root, 'test')
    evaluate(cfg, checkpoint)
    submission = json.loads((folder / 'work_dirs' / 'nocaps_test' / 'nocap_pred.json').read_text())
    assert sorted(submission, key=lambda entry: entry['image_id']) == expected

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The NLVR2 config, on sentences about two drawings in the data set's own format."""

import json

import cv2
import pytest
from small_tasks import MODELS_OF_TASKS, evaluate, load_small, train_small


def write_nlvr2(root, drawings):
    """A sentence that is true of two drawings in one order and false in the other, for each split.
    """
    for split in ('train', 'dev', 'test1'):
        (root / split).mkdir(parents=True)
        examples = []
        for number, pair in enumerate(zip(drawings[::2], drawings[1::2])):
            for place, (first, second) in enumerate((pair, pair[::-1])):
                for i, (path, _) in enumerate((first, second)):
                    name = f'{split}-{number}-{place}-img{i}.png'
                    cv2.imwrite(str(root / split / name), cv2.imread(str(path)))
                examples.append(
                    dict(
                        identifier=f'{split}-{number}-{place}-0',
                        sentence=f'The left image contains a {pair[0][1]}.',
                        label=str(place == 0),
                        left_url='https://example.com/left.png',
                        right_url='https://example.com/right.png',
                        writer='1',
                        synset=pair[0][1],
                        query=f'{pair[0][1]}1',
                        validation={'7': str(place == 0)},
                    )
                )
        (root / f'{split}.json').write_text('\n'.join(map(json.dumps, examples)))


@pytest.mark.parametrize('model', MODELS_OF_TASKS)
def test_nlvr2(folder, drawings, model):
    write_nlvr2(folder / 'nlvr2', drawings[:16])
    cfg = load_small(f'nlvr2/{model}_nlvr2.py', folder, steps=150)
    for part, split in (('train', 'train'), ('val', 'dev'), ('test', 'test1')):
        dataset = cfg[f'{part}_dataloader'].dataset
        assert dataset.ann_file == f'{split}.json' and dataset.data_prefix == split
        dataset.data_root = str(folder / 'nlvr2')
    cfg.optim_wrapper.pop('paramwise_cfg')  # nothing is pretrained: all learns alike
    assert evaluate(cfg, train_small(cfg))['accuracy/top1'] == 100

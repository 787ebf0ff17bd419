# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Our data sets inside those that wrap others, as a config builds them."""

from collections import Counter

import cv2
import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmpretrain.registry import DATASETS

from mmcoca.datasets import AnnotationError, UnreadableImageError

PIPELINE = [
    dict(type='mmcoca.LoadImage'),
    dict(type='PackInputs', algorithm_keys=['gt_caption', 'gt_label']),
]


@pytest.fixture
def build(tmp_path):
    """Build from a config whose data sets 'texts' and 'labels' are of six images, one a dog."""
    init_default_scope('mmpretrain')
    lines = ['image,caption,label']
    for number in range(6):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((8, 8, 3), number, np.uint8))
        lines.append(f'{number}.png,thing {number},{"cat" if number else "dog"}')
    (tmp_path / 'pairs.csv').write_text('\n'.join(lines))
    common = dict(ann_file='pairs.csv', data_root=str(tmp_path), pipeline=PIPELINE)

    def build(config, **options):
        texts = dict(type='mmcoca.ImageTextDataset', **common, **options)
        labels = dict(type='mmcoca.ImageLabelDataset', label_key='label', **common, **options)

        def fill(node):
            if isinstance(node, dict):
                return {key: fill(value) for key, value in node.items()}
            if isinstance(node, list):
                return [fill(value) for value in node]
            return {'texts': texts, 'labels': labels}.get(node, node)

        return DATASETS.build(fill(config))

    return build


def captions(data):
    found = [data[place]['data_samples'].gt_caption for place in range(len(data))]
    return [text if isinstance(text, str) else text[0] for text in found]


THINGS = [f'thing {number}' for number in range(6)]


@pytest.mark.parametrize('test_mode', [False, True])
def test_concatenated_and_repeated(build, test_mode):
    repeated = dict(type='RepeatDataset', times=2, dataset='texts')
    data = build(dict(type='ConcatDataset', datasets=['texts', repeated]), test_mode=test_mode)
    assert captions(data) == 3 * THINGS


@pytest.mark.parametrize('test_mode', [False, True])
def test_class_balanced(build, test_mode):
    balanced = dict(type='ClassBalancedDataset', oversample_thr=0.5, dataset='labels')
    data = build(balanced, test_mode=test_mode)
    # A sixth are dogs: the square root of 0.5 / (1 / 6), rounded up.
    assert Counter(captions(data)) == dict(dog=2, cat=5)
    assert data.metainfo['classes'] == ('cat', 'dog')
    both = build(dict(type='ConcatDataset', datasets=[balanced, 'labels']), test_mode=test_mode)
    assert Counter(captions(both)) == dict(dog=3, cat=10)


def test_captions_have_no_classes_to_balance(build):
    with pytest.raises(AnnotationError, match='pairs.csv: ImageTextDataset has no classes.*Label'):
        build(dict(type='ClassBalancedDataset', oversample_thr=0.5, dataset='texts'))


def test_folds(build):
    data = [
        build(dict(type='KFoldDataset', num_splits=3, fold=1, test_mode=mode, dataset='texts'))
        for mode in (True, False)
    ]
    assert captions(data[0]) == THINGS[2:4] and captions(data[1]) == THINGS[:2] + THINGS[4:]


def test_errors_come_through(build, tmp_path):
    (tmp_path / '3.png').write_bytes(b'')
    data = build(
        dict(type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=['texts'])),
        test_mode=True
    )
    with pytest.raises(UnreadableImageError, match='pairs.csv line 5: image .*3.png cannot'):
        data[9]
    (tmp_path / 'pairs.csv').write_text('image,caption\n9.png,x\n')
    with pytest.raises(AnnotationError, match='pairs.csv: line 2: image .*9.png does not exist'):
        build(dict(type='RepeatDataset', times=2, dataset='texts'))

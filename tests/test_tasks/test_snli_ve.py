# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The SNLI-VE config, on sentences about drawings in the data set's own format."""

import json

import cv2
import pytest
from small_tasks import MODELS_OF_TASKS, evaluate, load_small, train_small

from mmcoca.datasets import SNLIVE, AnnotationError


def lines_about(drawings):
    """Each name is right for one drawing and wrong for another; what it is like is not to be seen.
    """
    for number, (_, name) in enumerate(drawings):
        other = drawings[number - 1][1]
        yield number, f'This shows a {name}.', 'entailment'
        yield number, f'This shows a {other}.', 'contradiction'
        yield number, f'The {name} is expensive.', 'neutral'


def line(flickr_id, hypothesis, label, number):
    """A line with the keys of the published files."""
    pair = f'{flickr_id}.jpg#{number}'
    return json.dumps(
        dict(
            annotator_labels=[label] * 5,
            captionID=pair,
            gold_label=label,
            pairID=f'{pair}r1{label[0]}',
            sentence1='A drawing.',
            sentence2=hypothesis,
            Flickr30K_ID=flickr_id,
        )
    )


def write_snli_ve(folder, drawings):
    """The same lines and images as each of the three splits, with a line without a gold label."""
    images = folder / 'images'
    images.mkdir()
    for number, (path, _) in enumerate(drawings):
        cv2.imwrite(str(images / f'{1000092795 + number}.jpg'), cv2.imread(str(path)))
    lines = [
        line(str(1000092795 + image), hypothesis, label, number)
        for number, (image, hypothesis, label) in enumerate(lines_about(drawings))
    ]
    lines.append(line('1000092795', 'Nobody agrees on this.', '-', len(lines)))
    for split in ('train', 'dev', 'test'):
        (folder / f'snli_ve_{split}.jsonl').write_text('\n'.join(lines) + '\n')


@pytest.mark.parametrize('model', MODELS_OF_TASKS)
def test_snli_ve(folder, drawings, model):
    write_snli_ve(folder, drawings[:6])
    cfg = load_small(f'snli_ve/{model}_snli_ve.py', folder, steps=250, batch_size=18)
    cfg.optim_wrapper.optimizer.lr = 1e-3
    for part, split in (('train', 'train'), ('val', 'dev'), ('test', 'test')):
        dataset = cfg[f'{part}_dataloader'].dataset
        assert dataset.ann_file.endswith(f'snli_ve_{split}.jsonl')
        dataset.update(
            ann_file=str(folder / f'snli_ve_{split}.jsonl'), data_prefix=str(folder / 'images')
        )
    cfg.optim_wrapper.pop('paramwise_cfg')  # nothing is pretrained: all learns alike
    assert evaluate(cfg, train_small(cfg))['accuracy/top1'] == 100


def test_items(folder, drawings):
    write_snli_ve(folder, drawings[:2])
    data_set = SNLIVE(ann_file='snli_ve_dev.jsonl', data_root=str(folder), data_prefix='images')
    assert len(data_set) == 6  # but the one without a gold label
    item = data_set.get_data_info(4)
    assert item['img_path'] == str(folder / 'images' / '1000092796.jpg')
    assert item['text'] == f'This shows a {drawings[0][1]}.'
    assert data_set.CLASSES[item['gt_label']] == 'contradiction'
    assert item['image_id'] == '1000092796'


@pytest.mark.parametrize(
    'second, message',
    [
        ('{"gold_label": ', 'line 2 column 16: invalid JSON: Expecting value'),
        ('[]', 'line 2: not a JSON object'),
        ('{"gold_label": "neutral", "sentence2": "x"}', "line 2: no 'Flickr30K_ID' among gold_l"),
        (line('7', 'x', 'maybe', 1), "line 2: gold_label 'maybe' is none of entailment, neutral"),
    ],
)
def test_errors_name_file_and_line(tmp_path, second, message):
    path = tmp_path / 'lines.jsonl'
    path.write_text(f'{line("7", "x", "neutral", 0)}\n{second}\n')
    with pytest.raises(AnnotationError, match=f'lines.jsonl {message}'):
        SNLIVE(ann_file=str(path))


def test_a_file_without_gold_labels_is_an_error(tmp_path):
    path = tmp_path / 'lines.jsonl'
    path.write_text(line('7', 'x', '-', 0))
    with pytest.raises(AnnotationError, match='lines.jsonl: no line with a gold label'):
        SNLIVE(ann_file=str(path))

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import csv
import json

import cv2
import numpy as np
import pytest
from mmengine.dataset import DefaultSampler, default_collate
from torch.utils.data import DataLoader

from mmcoca import ImageTextDataset
from mmcoca.datasets import AnnotationError, UnreadableImageError

PAIRS = [('a.png', ['a red square', 'a "red" box']), ('b.png', ['grün, groß']), ('c.png', ['cat'])]
PIPELINE = [
    dict(type='mmcoca.LoadImage'),
    dict(type='PackInputs', algorithm_keys=['gt_caption'], meta_keys=['image_id', 'img_path']),
]


@pytest.fixture
def folder(tmp_path):
    """Three small images, and their captions in all four formats."""
    (tmp_path / 'images').mkdir()
    for i, (name, _) in enumerate(PAIRS):
        cv2.imwrite(str(tmp_path / 'images' / name), np.full((8, 8, 3), 40 * i, np.uint8))
    coco = dict(
        images=[dict(id=10 + i, file_name=name) for i, (name, _) in enumerate(PAIRS)],
        annotations=[
            dict(id=100 * i + j, image_id=10 + i, caption=caption)
            for i, (_, captions) in enumerate(PAIRS)
            for j, caption in enumerate(captions)
        ],
    )
    (tmp_path / 'pairs.json').write_text(json.dumps(coco), encoding='utf-8')
    lines = [
        dict(image=name, caption=captions if len(captions) > 1 else captions[0])
        for name, captions in PAIRS
    ]
    write_lines(tmp_path, *lines)
    for ending, delimiter in (('csv', ','), ('tsv', '\t')):
        with open(tmp_path / f'pairs.{ending}', 'w', encoding='utf-8', newline='') as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerow(['image', 'caption'])
            writer.writerows([name, caption] for name, captions in PAIRS for caption in captions)
    return tmp_path


def write_lines(folder, *rows):
    text = '\n'.join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    (folder / 'pairs.jsonl').write_text(text + '\n', encoding='utf-8')


def dataset(folder, ending='jsonl', **kwargs):
    kwargs = dict(data_prefix=dict(img_path='images'), pipeline=PIPELINE) | kwargs
    return ImageTextDataset(f'pairs.{ending}', data_root=str(folder), **kwargs)


@pytest.mark.parametrize('ending', ['json', 'jsonl', 'csv', 'tsv'])
def test_all_formats_give_the_same_pairs(folder, ending):
    data = dataset(folder, ending)
    pairs = [(item['inputs'].float().mean(), item['data_samples'].gt_caption) for item in data]
    expected = [(40.0 * i, c) for i, (_, captions) in enumerate(PAIRS) for c in captions]
    assert pairs == expected


def test_test_mode_is_one_item_an_image(folder):
    data = dataset(folder, 'json', test_mode=True)
    assert [item['data_samples'].gt_caption for item in data] == [c for _, c in PAIRS]
    assert [item['data_samples'].image_id for item in data] == [10, 11, 12]


def test_columns_can_be_named(folder):
    write_lines(folder, dict(filepath='a.png', title='hello'))
    data = dataset(folder, image_key='filepath', caption_key='title')
    assert data[0]['data_samples'].gt_caption == 'hello'


@pytest.mark.parametrize(
    'row, message',
    [
        (dict(image='a.png', caption=''), 'line 2: the caption is empty'),
        (dict(image='a.png', caption=['ok', '  ']), 'line 2: the caption is empty'),
        (dict(image='a.png', caption=7), 'line 2: the caption is 7, not a string'),
        (dict(image='a.png', caption=[None]), 'line 2: the caption is None, not a string'),
        (dict(image='a.png', caption=[]), 'line 2: there is no caption'),
        (dict(image='z.png', caption='x'), 'line 2: image .*images/z.png does not exist'),
        (dict(image=None, caption='x'), 'line 2: the image is None'),
        (dict(image='a.png', text='x'), "line 2: no 'caption' among image, text"),
        ('{"image": "a.png", "capt', 'line 2 column 25: invalid JSON'),
        ('["a.png", "x"]', 'line 2: not a JSON object'),
    ],
)
def test_bad_rows_name_file_and_row(folder, row, message):
    write_lines(folder, dict(image='a.png', caption='fine'), row)
    with pytest.raises(AnnotationError, match=f'pairs.jsonl:? {message}'):
        dataset(folder)


def test_many_bad_rows_are_listed_shortly(folder):
    write_lines(folder, *[dict(image='a.png', caption='')] * 30)
    with pytest.raises(AnnotationError, match='line 1: .*; and 20 more$') as error:
        dataset(folder)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'ending, text, message',
    [
        ('csv', 'img,caption\na.png,x\n', "pairs.csv line 1: no column 'image' among img, caption"),
        ('csv', '', "pairs.csv line 1: no column 'image' among no columns"),
        ('csv', 'image,caption\na.png,x,y\n', 'pairs.csv line 2: more fields'),
        ('tsv', 'image\tcaption\na.png\n', 'pairs.tsv: line 2: the caption is None'),
        ('json', '{"images": [', 'pairs.json line 1 column 13: invalid JSON'),
        ('json', '[1, 2]', 'pairs.json: not COCO-caption JSON'),
        ('json', '{"images": [], "annotations": []}', 'pairs.json: not COCO-caption JSON'),
        (
            'json',
            '{"images": [{"id": 1, "file_name": "a.png"}], "annotations": []}',
            'pairs.json: image 1: there is no caption',
        ),
        (
            'json',
            '{"images": [{"id": 1, "file_name": "a.png"}], '
            '"annotations": [{"id": 5, "image_id": 2, "caption": "x"}]}',
            'pairs.json annotation 5: there is no image 2',
        ),
        ('jsonl', '', 'pairs.jsonl: no image-text pairs'),
        ('parquet', '', "unknown ending '.parquet'"),
    ],
)
def test_bad_files(folder, ending, text, message):
    (folder / f'pairs.{ending}').write_text(text)
    with pytest.raises(AnnotationError, match=message):
        dataset(folder, ending)


def test_missing_and_binary_files(folder):
    with pytest.raises(FileNotFoundError, match='nothing.csv does not exist'):
        ImageTextDataset(str(folder / 'nothing.csv'))
    (folder / 'pairs.csv').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(AnnotationError, match='pairs.csv: not UTF-8'):
        dataset(folder, 'csv')


@pytest.mark.parametrize('num_workers', [0, 2])
def test_unreadable_image_is_skipped_and_counted_in_training(folder, num_workers):
    (folder / 'images' / 'b.png').write_bytes(b'not a picture')
    data = dataset(folder, max_unreadable=0.3)
    loader = DataLoader(
        data,
        batch_size=2,
        num_workers=num_workers,
        sampler=DefaultSampler(data, shuffle=False),
        collate_fn=default_collate,
    )
    captions = [s.gt_caption for batch in loader for s in batch['data_samples']]
    assert len(captions) == 4 and 'grün, groß' not in captions
    assert data.num_unreadable == 1
    assert data.unreadable_rows() == [f'line 2: {folder}/images/b.png']
    data.check_unreadable()
    data.max_unreadable = 0.01
    with pytest.raises(UnreadableImageError, match='1 of 4 images .*line 2: .*b.png .*1.00%'):
        data.check_unreadable()


def test_unreadable_image_is_an_error_in_testing(folder):
    (folder / 'images' / 'b.png').write_bytes(b'')
    data = dataset(folder, test_mode=True)
    with pytest.raises(UnreadableImageError, match='pairs.jsonl line 2: image .*b.png cannot be'):
        data[1]


def test_images_need_not_be_checked_on_loading(folder):
    write_lines(folder, dict(image='z.png', caption='x'))
    assert len(dataset(folder, check_images=False)) == 1


@pytest.mark.parametrize('ending', ['json', 'jsonl', 'csv', 'tsv'])
def test_a_byte_order_mark_is_no_part_of_the_text(folder, ending):
    path = folder / f'pairs.{ending}'
    path.write_text(path.read_text(encoding='utf-8'), encoding='utf-8-sig')
    assert len(dataset(folder, ending)) == sum(len(captions) for _, captions in PAIRS)


def test_a_folder_alone(folder):
    (folder / 'images' / 'more').mkdir()
    (folder / 'images' / 'a.png').rename(folder / 'images' / 'more' / 'a.png')
    rows = [dict(image=name, caption='x') for name in ('more/a.png', 'b.png', 'c.png')]
    write_lines(folder, *rows)
    found = dataset(folder, filter_cfg=dict(folder='more'))
    assert len(found) == 1 and found.get_data_info(0)['img_path'].endswith('more/a.png')
    with pytest.raises(AnnotationError, match='no image in it lies in .*images/mor/'):
        dataset(folder, filter_cfg=dict(folder='mor'))


def test_images_without_captions(folder):
    """In testing, when asked for: COCO files of images alone, as test sets are published."""
    content = json.loads((folder / 'pairs.json').read_text('utf-8'))
    (folder / 'pairs.json').write_text(json.dumps(dict(images=content['images'])))
    found = dataset(folder, 'json', test_mode=True, require_captions=False)
    assert [found.get_data_info(i)['image_id'] for i in range(3)] == [10, 11, 12]
    for options in (dict(test_mode=True), dict(require_captions=False)):
        with pytest.raises(AnnotationError, match='image 10: there is no caption'):
            dataset(folder, 'json', **options)

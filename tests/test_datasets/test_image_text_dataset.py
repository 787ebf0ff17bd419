# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import csv
import json
import os
import random
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, default_collate
from mmengine.logging import MMLogger
from torch.utils.data import DataLoader

from mmcoca import ImageTextDataset
from mmcoca.datasets import AnnotationError, ImageLabelDataset, UnreadableImageError
from mmcoca.datasets.annotation_files import text_problem
from mmcoca.evaluation import CaptionMetric, RetrievalMetric
from mmcoca.models.text import CLIPTokenizer, TextTokenizer

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
    rows = [dict(image=name, caption=caption) for name, captions in PAIRS for caption in captions]
    for ending in ('csv', 'tsv'):
        write_table(tmp_path, ending, rows)
    return tmp_path


def write_table(folder, ending, rows):
    path = folder / f'pairs.{ending}'
    if ending == 'tsv':  # which has no quoting
        lines = [rows[0].keys(), *(row.values() for row in rows)]
        path.write_text(''.join('\t'.join(line) + '\n' for line in lines), encoding='utf-8')
        return
    with open(path, 'w', encoding='utf-8', newline='') as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


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
        ('csv', 'image;caption\na;x\n', 'among image;caption: are they separated by commas'),
        ('tsv', 'image,caption\na,x\n', 'among image,caption: are they separated by tabs'),
        ('csv', 'image,caption\na.png,x,y\n', 'pairs.csv line 2: more fields'),
        ('tsv', 'image\tcaption\na.png\n', 'pairs.tsv: line 2: the caption is None'),
        ('json', '{"images": [', 'pairs.json line 1 column 13: invalid JSON'),
        ('json', '[1, 2]', 'pairs.json: not COCO-caption JSON'),
        ('json', '[' * 100_000, 'pairs.json: invalid JSON: maximum recursion depth'),
        ('json', '9' * 5_000, 'pairs.json: invalid JSON: Exceeds the limit'),
        ('jsonl', '\n' + '[' * 100_000, 'pairs.jsonl line 2: invalid JSON: maximum recursion'),
        ('csv', f'image,caption\na.png,{"x" * 200_000}\n', 'pairs.csv line 2: field larger than'),
        ('tsv', f'image\tcaption\na.png\t{"x" * 200_000}\n', r'line 2: field larger .* \(\d+\)$'),
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
    # What is read in its place is drawn by numpy, whose seed in a worker follows torch's.
    torch.manual_seed(0)
    np.random.seed(0)
    data = dataset(folder, max_unreadable=0.9)
    loader = DataLoader(
        data,
        batch_size=2,
        num_workers=num_workers,
        sampler=DefaultSampler(data, shuffle=False),
        collate_fn=default_collate,
    )
    captions = [s.gt_caption for batch in loader for s in batch['data_samples']]
    assert len(captions) == 4 and 'grün, groß' not in captions
    faults = data.fault_log.faults()
    assert faults.total >= 1 and faults.visits == 4  # the item in its place may be it again
    assert [data.fault_place(*item) for item in faults.items] == [f'line 2: {folder}/images/b.png']
    data.check_faults(faults)
    data.max_unreadable = 0.01
    with pytest.raises(UnreadableImageError, match=r'\d of 4 items .*line 2: .*b.png .*1.00%'):
        data.check_faults(faults)


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


@pytest.mark.parametrize('ending', ['json', 'jsonl', 'csv'])
def test_blanks_that_mean_nothing_are_no_part_of_a_caption(folder, ending):
    """So that a caption and the same one after a blank are one text for Recall@K, or one class."""
    path = folder / f'pairs.{ending}'
    text = path.read_text(encoding='utf-8')
    path.write_text(text.replace('cat', ' a  red square ').replace('grün, ', 'grün,   '))
    found = dataset(folder, ending, test_mode=True)
    captions = [found.get_data_info(i)['gt_caption'] for i in range(len(found))]
    assert captions == [['a red square', 'a "red" box'], ['grün, groß'], ['a red square']]


def test_blanks_are_no_part_of_a_label(folder):
    (folder / 'labels.csv').write_text('image,label\na.png, cat\nb.png,cat\nc.png,cat \n')
    labels = ImageLabelDataset(
        'labels.csv', label_key='label', data_root=str(folder), data_prefix=dict(img_path='images')
    )
    assert labels.CLASSES == ('cat', )
    (folder / 'labels.csv').write_text('image,label\na.png,hot  dog\nb.png,cat\n')
    labels = ImageLabelDataset(
        'labels.csv',
        label_key='label',
        classes=['hot  dog', 'cat '],
        data_root=str(folder),
        data_prefix=dict(img_path='images')
    )
    assert [item['gt_label'] for item in map(labels.get_data_info, range(2))] == [0, 1]


def test_a_folder_alone(folder):
    (folder / 'images' / 'more').mkdir()
    (folder / 'images' / 'a.png').rename(folder / 'images' / 'more' / 'a.png')
    rows = [dict(image=name, caption='x') for name in ('more/a.png', 'b.png', 'c.png')]
    write_lines(folder, *rows)
    found = dataset(folder, filter_cfg=dict(folder='more'))
    assert len(found) == 1 and found.get_data_info(0)['img_path'].endswith('more/a.png')
    with pytest.raises(AnnotationError, match='no image in it lies in .*images/mor/'):
        dataset(folder, filter_cfg=dict(folder='mor'))
    with pytest.raises(ValueError, match='it takes folder'):
        dataset(folder, filter_cfg=dict(place='more'))


def test_images_without_captions(folder):
    """In testing, when asked for: COCO files of images alone, as test sets are published."""
    content = json.loads((folder / 'pairs.json').read_text('utf-8'))
    (folder / 'pairs.json').write_text(json.dumps(dict(images=content['images'])))
    found = dataset(folder, 'json', test_mode=True, require_captions=False)
    assert [found.get_data_info(i)['image_id'] for i in range(3)] == [10, 11, 12]
    for options in (dict(test_mode=True), dict(require_captions=False)):
        with pytest.raises(AnnotationError, match='image 10: there is no caption'):
            dataset(folder, 'json', **options)


FORMATS = ['json', 'jsonl', 'csv', 'tsv']
NUM_IMAGES, NUM_CAPTIONS = 4, 5


def write_shuffled(folder, ending, with_ids):
    """Four images of five captions, a row a caption in an order of its own; the expected rows."""
    rows = [
        dict(image=f'{image}.png', caption=f'caption {caption} of {image}')
        | (dict(image_id=f'id{image}') if with_ids else {})
        for image in range(NUM_IMAGES)
        for caption in range(NUM_CAPTIONS)
    ]
    random.Random(0).shuffle(rows)
    for image in range(NUM_IMAGES):
        cv2.imwrite(str(folder / 'images' / f'{image}.png'), np.zeros((8, 8, 3), np.uint8))
    if ending == 'jsonl':
        write_lines(folder, *rows)
    elif ending == 'json':
        annotations = [
            dict(id=place, image_id=int(row['image'][0]), caption=row['caption'])
            for place, row in enumerate(rows)
        ]
        names = dict.fromkeys(row['image'] for row in rows)
        images = [dict(id=int(name[0]), file_name=name) for name in names]
        (folder / 'pairs.json').write_text(json.dumps(dict(images=images, annotations=annotations)))
    else:
        write_table(folder, ending, rows)
    return rows


@pytest.mark.parametrize('with_ids', [False, True])
@pytest.mark.parametrize('ending', FORMATS)
def test_rows_of_one_image_are_one_item_in_testing(folder, ending, with_ids):
    rows = write_shuffled(folder, ending, with_ids)
    data = dataset(folder, ending, test_mode=True)
    items = [data.get_data_info(place) for place in range(len(data))]
    names = list(dict.fromkeys(row['image'] for row in rows))
    assert [item['img_path'].rsplit('/')[-1] for item in items] == names
    for name, item in zip(names, items):
        assert item['gt_caption'] == [row['caption'] for row in rows if row['image'] == name]
    assert len({item['image_id'] for item in items}) == NUM_IMAGES
    training = dataset(folder, ending)
    pairs = [training.get_data_info(place) for place in range(len(training))]
    assert len(pairs) == NUM_IMAGES * NUM_CAPTIONS
    ids = {item['img_path']: item['image_id'] for item in items}
    assert all(pair['image_id'] == ids[pair['img_path']] for pair in pairs)
    if ending != 'json':  # there the images give the order
        assert [pair['gt_caption'] for pair in pairs] == [row['caption'] for row in rows]


@pytest.mark.parametrize('ending', FORMATS)
def test_perfect_features_are_perfect_in_every_format(folder, ending):
    write_shuffled(folder, ending, with_ids=False)
    data = dataset(folder, ending, test_mode=True)
    features = torch.eye(NUM_IMAGES)
    retrieval, captioning = RetrievalMetric(), CaptionMetric()
    for feature, item in zip(features, data):
        sample = item['data_samples']
        captions = sample.gt_caption
        sample.set_field(feature, 'image_feature')
        sample.set_field(feature.repeat(len(captions), 1), 'text_features')
        sample.set_field(captions[-1], 'pred_caption')
        retrieval.process(None, [sample.to_dict()])
        captioning.process(None, [sample.to_dict()])
    recalls = retrieval.evaluate(len(data))
    assert recalls['i2t/retrieval/Recall@1'] == recalls['t2i/retrieval/Recall@1'] == 100
    assert [len(result['references']) for result in captioning.results] == [5] * 4
    assert captioning.evaluate(len(data))['caption/exact_match'] == 100


def test_a_path_may_be_written_in_many_ways(folder):
    names = ['a.png', './a.png', '../images/a.png', f'{folder}/images/a.png', 'b.png']
    write_table(folder, 'csv', [dict(image=name, caption=name) for name in names])
    data = dataset(folder, 'csv', test_mode=True)
    assert [data.get_data_info(place)['gt_caption'] for place in range(2)] == [names[:4], ['b.png']]
    assert len(data) == 2


def test_one_id_of_two_paths_is_an_error(folder):
    for ending in ('csv', 'tsv'):
        rows = [('a.png', 'x', '7'), ('c.png', 'x', '8'), ('b.png', 'y', '7')]
        write_table(folder, ending, [dict(zip(('image', 'caption', 'image_id'), r)) for r in rows])
        with pytest.raises(AnnotationError) as error:
            dataset(folder, ending)
        for part in (f'pairs.{ending}: line 4', "'7'", 'images/b.png', 'images/a.png in line 2'):
            assert part in str(error.value)


def test_a_blank_id_is_none(folder):
    """Such a row belongs to the image of its path; ids that are made up meet none of the file's."""
    rows = [('a.png', '1', ''), ('b.png', '2', ' '), ('a.png', '3', '7'), ('b.png', '4', '')]
    write_table(folder, 'csv', [dict(zip(('image', 'caption', 'image_id'), row)) for row in rows])
    data = dataset(folder, 'csv', test_mode=True)
    items = [data.get_data_info(place) for place in range(len(data))]
    assert [item['gt_caption'] for item in items] == [['1', '3'], ['2', '4']]
    assert [item['image_id'] for item in items] == ['7', 0]
    write_lines(
        folder,
        dict(image='a.png', caption='1', image_id=0),
        dict(image='b.png', caption='2', image_id=None),
        dict(image='c.png', caption='3'),
    )
    data = dataset(folder)
    assert [data.get_data_info(place)['image_id'] for place in range(3)] == [0, 1, 2]


@pytest.fixture
def log(caplog):
    """What MMEngine's current logger is told, line by line."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


def test_two_ids_of_one_path_are_two_images(folder, log):
    rows = [dict(image='a.png', caption='x', image_id=i) for i in '12']
    write_table(folder, 'csv', rows)
    assert len(dataset(folder, 'csv', test_mode=True)) == 2
    message = 'pairs.csv: 1 images have several ids, first '
    assert message in log.text
    log.clear()
    assert len(dataset(folder, 'csv')) == 2
    assert message not in log.text


def test_tsv_has_no_quoting(folder):
    captions = ['"quoted start', 'a dog', 'the 5" end"', '"all of it"', '"']
    lines = [f'a.png\t{caption}' for caption in captions]
    # but a field as spreadsheets and Python's csv write it
    lines.append('a.png\t"a ""b"" c"')
    (folder / 'pairs.tsv').write_text('image\tcaption\n' + '\n'.join(lines))
    data = dataset(folder, 'tsv')
    found = [data.get_data_info(place)['gt_caption'] for place in range(len(data))]
    assert found == [*captions, 'a "b" c']


def test_csv_has_quoting(folder):
    captions = ['two\nlines', 'a "b" c', 'one, two', 'the 5" end']
    rows = [dict(image='a.png', caption=caption) for caption in captions]
    write_table(folder, 'csv', rows)
    with open(folder / 'pairs.csv', 'a') as file:
        file.write('a.png,the 6" end\n')
    data = dataset(folder, 'csv')
    found = [data.get_data_info(place)['gt_caption'] for place in range(len(data))]
    assert found == ['two lines', *captions[1:], 'the 6" end']


@pytest.mark.parametrize(
    'text', ['a.png,"quoted start\nb.png,a dog\nc.png,"x"\n', 'a.png,"open\nb.png,a dog\n']
)
def test_an_open_quote_does_not_swallow_rows(folder, text):
    (folder / 'pairs.csv').write_text('image,caption\n' + text)
    with pytest.raises(AnnotationError, match='pairs.csv line 2: .*each " within is doubled'):
        dataset(folder, 'csv')


def test_the_log_counts_rows_images_and_captions(folder, log):
    dataset(folder, 'csv')
    dataset(folder, 'jsonl')
    assert [line for line in log.messages if 'pairs' in line] == [
        f'{folder}/pairs.csv: 4 rows, 3 images, 4 captions',
        f'{folder}/pairs.jsonl: 3 rows, 3 images, 4 captions',
    ]


NO_TEXTS = [
    '\x07', '\ufeff', '\u200b\u200d', '\xad', '\ufe0f', '\u3164', '\u2800', '&nbsp;', '\xa0'
]


@pytest.mark.parametrize('text', [*NO_TEXTS, '\ud800', 'a dog \udc00'])
def test_what_is_no_text_is_found_on_loading(folder, text):
    write_lines(folder, dict(image='a.png', caption='fine'), dict(image='b.png', caption=text))
    with pytest.raises(AnnotationError, match='pairs.jsonl: line 2: the caption is ') as error:
        dataset(folder)
    str(error.value).encode()  # can be printed
    write_lines(folder, dict(image='a.png', label='fine'), dict(image='b.png', label=text))
    options = dict(data_root=str(folder), data_prefix='images')
    with pytest.raises(AnnotationError, match="line 2: 'label' is .* not the name of a label"):
        ImageLabelDataset('pairs.jsonl', 'label', **options)


def test_every_character_that_passes_is_one_to_the_tokenizers(emoji_data):
    characters = [chr(code) for code in range(0x3000)] + list('\ufeff\ufffc\ufffd\ue000龍🐉')
    passing = [character for character in characters if text_problem(character) is None]
    assert 0x2000 < len(passing) < len(characters)
    for tokenizer in (TextTokenizer(str(emoji_data / 'tokenizer.json')), CLIPTokenizer()):
        assert all(tokenizer.encode(passing))


@pytest.mark.parametrize(
    'image_id, shown',
    [(True, 'True'), (1.5, '1.5'), (float('nan'), 'nan'), ([1], r'\[1\]'), ({}, '{}')]
)
def test_an_id_is_a_whole_number_or_a_text(folder, image_id, shown):
    message = f'the image id is {shown}, neither a whole number nor a text'
    write_lines(folder, dict(image='a.png', caption='x', image_id=image_id))
    with pytest.raises(AnnotationError, match=f'pairs.jsonl: line 1: {message}'):
        dataset(folder)
    content = dict(
        images=[dict(id=image_id, file_name='a.png')],
        annotations=[dict(id=1, image_id=image_id, caption='x')],
    )
    (folder / 'pairs.json').write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match=f'pairs.json: {message}'):
        dataset(folder, 'json')


def test_one_id_of_two_images_in_coco_json(folder):
    content = json.loads((folder / 'pairs.json').read_text('utf-8'))
    content['images'][1]['id'] = 10
    (folder / 'pairs.json').write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match='pairs.json: 2 images have the id 10'):
        dataset(folder, 'json')


@pytest.mark.parametrize('image_id', [None, [1], '10', True])
def test_an_annotation_of_no_image(folder, image_id):
    content = json.loads((folder / 'pairs.json').read_text('utf-8'))
    content['annotations'][1]['image_id'] = image_id
    (folder / 'pairs.json').write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match='pairs.json annotation 1: there is no image'):
        dataset(folder, 'json')


@pytest.mark.parametrize(
    'image, message', [
        ('ftp://x.org/a.png', 'image ftp://x.org/a.png: its storage is unknown; use a local path'),
        ('http://http://a.png', 'its storage is unknown'),
        ('s3://bucket/a.png', 'petrel_client'),
        ('C:\\images\\a.png', r'image .*C:\\images\\a.png does not exist'),
        ('a\0.png', 'does not exist'),
        ('\ud800.png', 'does not exist'),
        ('', "the image is '', not a path"),
        ('more', 'image .*images/more is no regular file'),
        ('pipe.png', 'image .*images/pipe.png is no regular file'),
    ]
)
def test_where_no_image_can_lie(folder, image, message):
    (folder / 'images' / 'more').mkdir()
    os.mkfifo(folder / 'images' / 'pipe.png')
    write_lines(folder, dict(image='a.png', caption='x'), dict(image=image, caption='x'))
    with pytest.raises(AnnotationError, match=f'pairs.jsonl: line 2: .*{message}') as error:
        dataset(folder)
    assert '\n' not in str(error.value)


def test_images_of_a_web_server_are_read(folder):
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder / 'images'))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        handler.func.log_message = lambda *args: None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f'http://127.0.0.1:{server.server_port}'
        names = ('c.png', 'z.png')
        write_lines(folder, *[dict(image=f'{address}/{name}', caption='x') for name in names])
        data = dataset(folder, test_mode=True)
        assert (data[0]['inputs'] == 80).all()
        with pytest.raises(UnreadableImageError, match='line 2: image http.*z.png cannot be read'):
            data[1]
        server.shutdown()


@pytest.mark.parametrize('ending', FORMATS)
def test_images_without_captions_can_be_skipped(folder, ending, log):
    if ending == 'json':
        content = json.loads((folder / 'pairs.json').read_text('utf-8'))
        content['annotations'] = [a for a in content['annotations'] if a['image_id'] != 11]
        (folder / 'pairs.json').write_text(json.dumps(content))
    elif ending == 'jsonl':
        rows = [('a.png', ['a red square', 'a "red" box']), ('b.png', []), ('c.png', 'cat')]
        write_lines(folder, *[dict(image=name, caption=caption) for name, caption in rows])
    else:
        rows = [
            ('a.png', 'a red square'), ('a.png', 'a "red" box'), ('b.png', ''), ('c.png', 'cat'),
            ('c.png', ' ')
        ]
        write_table(folder, ending, [dict(image=name, caption=caption) for name, caption in rows])
    for test_mode, expected in [
        (False, ['a red square', 'a "red" box', 'cat']),
        (True, [['a red square', 'a "red" box'], ['cat']]),
    ]:
        data = dataset(folder, ending, skip_without_captions=True, test_mode=test_mode)
        assert [data.get_data_info(i)['gt_caption'] for i in range(len(data))] == expected
        assert log.messages[-1].endswith('3 captions; images skipped, without captions: 1')
    with pytest.raises(AnnotationError, match='there is no caption|the caption is empty'):
        dataset(folder, ending)
    with pytest.raises(ValueError, match='set one of them'):
        dataset(folder, ending, skip_without_captions=True, require_captions=False)


def test_nothing_but_images_without_captions(folder):
    write_lines(folder, dict(image='a.png', caption=[]))
    with pytest.raises(AnnotationError, match='no image-text pairs in it'):
        dataset(folder, skip_without_captions=True)


def test_two_columns_of_one_name(folder):
    (folder / 'pairs.csv').write_text('image,caption,caption\na.png,x,y\n')
    with pytest.raises(AnnotationError, match="pairs.csv line 1: two columns 'caption' among"):
        dataset(folder, 'csv')

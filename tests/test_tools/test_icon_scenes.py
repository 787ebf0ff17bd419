# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The converter of icon scenes, on shapes by six designers."""

import io
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from mmcoca.datasets.shards import ShardSample, write_shard

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools' / 'dataset_converters'))

import icon_scenes  # noqa: E402
from icon_scene_drawing import Job, draw_scene  # noqa: E402

SHAPES = {
    'disk': lambda draw, colour: draw.ellipse((8, 8, 56, 56), fill=colour),
    'ring': lambda draw, colour: draw.ellipse((8, 8, 56, 56), outline=colour, width=6),
    'box': lambda draw, colour: draw.rectangle((12, 20, 52, 44), fill=colour),
    'roof': lambda draw, colour: draw.polygon([(32, 8), (56, 52), (8, 52)], fill=colour),
}


def shape(name, colour='black'):
    image = Image.new('RGB', (64, 64), 'white')
    SHAPES[name](ImageDraw.Draw(image), colour)
    data = io.BytesIO()
    image.save(data, 'PNG')
    return data.getvalue()


@pytest.fixture
def icons(tmp_path):
    """As icons.py lays them out. The box is drawn by the fewest, and not at all by Lucide."""
    folder = tmp_path / 'icons'
    (folder / 'train').mkdir(parents=True)
    (folder / 'annotations').mkdir()
    (folder / 'manifest.json').write_text('{"dataset": "mmcoca icons", "sha256": {}}')
    drawn = [('a', ['disk', 'ring', 'roof', 'box']), ('b', ['disk', 'ring']), ('c', ['disk'])]
    labels = [dict(caption=name, designer=who) for who, names in drawn for name in names]
    write_shard(
        folder / 'train' / '00000.tar',
        [ShardSample(f'{i:02}', shape(x['caption']), '.png', x) for i, x in enumerate(labels)],
    )
    held_out = dict(
        dev_lucide=['disk', 'ring', 'roof'],
        dev_marketeq=['disk'],
        test_ph=['disk', 'ring', 'roof', 'box'],
        **{'test_flat-color-icons': ['ring']},
    )
    for name, captions in held_out.items():
        designer = name.partition('_')[2]
        (folder / 'images' / designer).mkdir(parents=True)
        images, annotations = [], []
        for number, caption in enumerate(captions):
            file_name = f'{designer}/{caption}.png'
            (folder / 'images' / file_name).write_bytes(shape(caption, 'red'))
            images.append(dict(id=number, file_name=file_name))
            annotations.append(dict(id=number, image_id=number, caption=caption))
        content = dict(images=images, annotations=annotations)
        (folder / 'annotations' / f'{name}.json').write_text(json.dumps(content))
    return folder


@pytest.fixture
def small(monkeypatch):
    splits = {name: split._replace(num_scenes=4) for name, split in icon_scenes.SPLITS.items()}
    monkeypatch.setattr(icon_scenes, 'SPLITS', splits)
    monkeypatch.setattr(icon_scenes, 'DRAWINGS', (1, 2))


def convert(icons, out):
    return icon_scenes.main(['--icons', str(icons), '--out', str(out), '--size', '128'])


def test_scenes_of_every_split(icons, small, tmp_path, capsys, monkeypatch):
    out = tmp_path / 'scenes'
    assert convert(icons, out) == 0
    manifest = json.loads((out / 'manifest.json').read_text())
    assert manifest['classes'] == ['disk', 'ring'] and manifest['new_classes'] == ['roof']
    for split in icon_scenes.SPLITS:
        coco = COCO(out / 'annotations' / f'{split}.json')
        assert len(coco.imgs) == 4 and len(coco.anns) == 4
        names = {coco.cats[annotation['category_id']]['name'] for annotation in coco.anns.values()}
        assert names <= ({'roof'} if split.endswith('_new') else {'disk', 'ring'})
        for image in coco.imgs.values():
            picture = cv2.imread(str(out / split / image['file_name']))
            assert picture.shape == (image['height'], image['width'], 3) == (128, 128, 3)
    (tmp_path / 'here').mkdir()
    monkeypatch.chdir(tmp_path / 'here')
    assert convert(icons, '.') == 0 and (tmp_path / 'here' / 'manifest.json').is_file()
    # As it is: what is complete is left alone, and a second folder has the same files.
    assert convert(icons, out) == 0
    assert 'already complete' in capsys.readouterr().out
    assert convert(icons, tmp_path / 'again') == 0
    for path in out.rglob('*.*'):
        assert path.read_bytes() == (tmp_path / 'again' / path.relative_to(out)).read_bytes()


def test_boxes_and_masks_are_where_the_drawings_are():
    pictures = [(shape(name, 'black'), number) for number, name in enumerate(SHAPES)]
    for seed in range(5):
        jpeg, found = draw_scene(Job(pictures, (seed, ), 256))
        empty, nothing = draw_scene(Job([], (seed, ), 256))
        assert not nothing and len(found) >= 3
        scenes = [cv2.imdecode(np.frombuffer(x, np.uint8), cv2.IMREAD_COLOR) for x in (jpeg, empty)]
        changed = np.abs(scenes[0].astype(int) - scenes[1]).max(axis=2) > 40
        everything = np.zeros((256, 256), int)
        for drawing in found:
            mask = coco_mask.decode(drawing.mask)
            everything += mask
            assert drawing.area == mask.sum()
            assert coco_mask.toBbox(drawing.mask).tolist() == drawing.box
            is_ring = drawing.category == 1
            part = changed[mask == 1].mean()
            assert part > (0.3 if is_ring else 0.85)  # JPEG blurs the edges
            assert not is_ring or part < 0.7
        assert everything.max() == 1  # no two overlap
        grown = cv2.dilate(everything.astype(np.uint8), np.ones((9, 9), np.uint8))
        assert not changed[grown == 0].any()


def test_mistakes_give_one_line(icons, small, tmp_path, capsys):
    assert convert(tmp_path / 'nothing', tmp_path / 'scenes') == 1
    assert 'holds no icons: tools/dataset_converters/icons.py' in capsys.readouterr().err
    assert convert(icons, tmp_path / 'scenes') == 0
    next((tmp_path / 'scenes' / 'val').glob('*.jpg')).unlink()
    assert convert(icons, tmp_path / 'scenes') == 1
    assert 'pictures of val' in capsys.readouterr().err
    manifest = (icons / 'manifest.json').read_text()
    (icons / 'manifest.json').write_text(manifest + '\n')
    assert convert(icons, tmp_path / 'scenes') == 1
    assert 'was made with other icons' in capsys.readouterr().err
    (icons / 'manifest.json').write_text('{"dataset": "mmcoca emoji", "sha256": {}}')
    assert convert(icons, tmp_path / 'scenes') == 1
    assert 'holds no icons' in capsys.readouterr().err


def test_names_of_boxes(icons, small, tmp_path, run_tool):
    """The study of an open vocabulary, by the shipped model on the shapes' scenes."""
    assert convert(icons, tmp_path / 'scenes') == 0
    out = tmp_path / 'names.json'
    arguments = ['coca_small_icons', '--data', tmp_path / 'scenes', '--out', out]
    done = run_tool('studies/open_vocabulary.py', *arguments)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())
    choices = dict(new_classes=1, all=3), dict(classes=2, all=3)
    expected = [
        (split, *choice)
        for split, of in zip(['test_new', 'test'], choices)
        for choice in of.items()
    ]
    assert [(row['split'], row['choice'], row['of']) for row in rows[::2]] == expected
    assert all(row['number'] == 4 for row in rows)
    assert all(row['right'] == 4 for row in rows[:2])  # there is but one to choose
    table = out.with_suffix('.md').read_text()
    assert '| the new ones | all (3) | ink on white | 4 | ' in table
    assert 'By `python tools/studies/open_vocabulary.py coca_small_icons' in table


def test_crops_are_square_with_a_margin_and_ink_becomes_dark():
    sys.path.insert(0, str(Path(__file__).parents[2] / 'tools' / 'studies'))
    from open_vocabulary import crop, ink_on_white

    scene = np.full((60, 80, 3), 50, np.uint8)
    scene[10:30, 70:80] = 220  # light, at the right border
    cut = crop(scene, (70, 10, 10, 20))
    assert cut.shape == (26, 26, 3)  # 20 and twice 15 %
    assert (cut[3:23, 8:18] == 220).all() and (cut[:3] == 50).all()
    wide = np.pad(scene, ((0, 0), (0, 30), (0, 0)), constant_values=50)
    white = ink_on_white(crop(wide, (70, 10, 10, 20)))
    assert (white[0] == 255).all() and (white[12, 12] == 0).all()

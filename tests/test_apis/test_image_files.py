# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Folders of images, and what a model gets of them."""

import os

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpretrain import ImageCaptionInferencer, get_model
from PIL import Image, features

from mmcoca.apis import (
    EmbeddingIndex,
    SearchInferencer,
    ZeroShotClassificationInferencer,
    find_images,
    load_images,
)
from mmcoca.datasets import read_image


@pytest.fixture(scope='module')
def model(tiny_config):
    torch.manual_seed(0)
    return get_model(tiny_config.copy()).eval()


@pytest.fixture
def drawing(drawings):
    return Image.open(drawings[0][0]).convert('RGB')


def transparent(drawing):
    """The drawing with its white made transparent, and black below that."""
    pixels = np.array(drawing)
    white = (pixels == 255).all(axis=2)
    pixels[white] = 0
    return Image.fromarray(np.dstack([pixels, np.where(white, 0, 255).astype(np.uint8)]))


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        Image.new('RGB', (8, 8)).save(folder / name, 'PNG')


def test_every_image_is_found_and_the_rest_is_named(tmp_path, caplog):
    names = ['a.PNG', 'b.jfif', 'c.gif', 'd.tif', 'e.webp', 'f.bmp', 'g.ppm', 'h/i.jpeg']
    names += ['j.avif'] if features.check('avif') else []
    write(tmp_path, *names, '._a.jpg', 'folder.png/k.png')
    (tmp_path / 'link.png').symlink_to(tmp_path / 'a.PNG')
    assert {str(path.relative_to(tmp_path))
            for path in find_images(tmp_path)} == {*names, 'link.png', 'folder.png/k.png'}
    assert not caplog.messages  # neither ._a.jpg, macOS's note, nor a folder is worth a word
    os.mkfifo(tmp_path / 'pipe.png')
    (tmp_path / 'lost.png').symlink_to(tmp_path / 'nowhere')
    for name in ('h/notes.txt', 'list.csv', '.hidden'):
        (tmp_path / name).write_text('')
    assert len(find_images(tmp_path)) == len(names) + 2
    assert caplog.messages == [
        '4 files are no images, passed over: h/notes.txt, list.csv, lost.png, ...'
    ]
    for name in ('h/notes.txt', 'list.csv', 'lost.png'):
        (tmp_path / name).unlink()
    find_images(tmp_path)
    assert caplog.messages[-1] == '1 file is no image, passed over: pipe.png'


def test_all_that_is_found_can_be_read(tmp_path, drawing):
    for name, image in [('a.png', drawing), ('b.gif', drawing), ('c.png', transparent(drawing))]:
        image.save(tmp_path / name)
    for ending in ('jfif', 'jpe', 'jp2', 'ico', 'pnm', 'tif', 'dib', 'apng'):
        drawing.save(tmp_path / f'x.{ending}')
    paths = find_images(tmp_path)
    assert len(paths) == 11
    for path in paths:
        size = (64, 64, 3) if path.suffix == '.ico' else (96, 96, 3)
        assert read_image(path).shape in (size, (96, 96, 3)), path


def test_what_cannot_be_read_is_told_with_the_reason(model, tmp_path, drawing, caplog):
    drawing.save(tmp_path / 'a.png')
    os.mkfifo(tmp_path / 'pipe.png')
    drawing.resize((9, 9)).save(tmp_path / 'half.jpg')
    (tmp_path / 'half.jpg').write_bytes((tmp_path / 'half.jpg').read_bytes()[:200])
    names = ['a.png', 'pipe.png', 'half.jpg', 'nothing.png']
    paths = [tmp_path / name for name in names]
    ((read, images, unreadable), ) = load_images(model, paths)
    assert read == paths[:1] and unreadable == paths[1:] and len(images) == 1
    assert [line.split(' cannot be read: ')[0]
            for line in caplog.messages] == [f'image {path}' for path in paths[1:]]
    assert 'pipe.png cannot be read: it is no regular file' in caplog.text
    assert 'nothing.png cannot be read: No such file or directory' in caplog.text


def test_an_opaque_and_a_transparent_drawing_are_one_to_the_model(model, tmp_path, drawing):
    drawing.save(tmp_path / 'opaque.png')
    transparent(drawing).save(tmp_path / 'alpha.png')
    ((paths, images, _), ) = load_images(model, find_images(tmp_path))
    assert torch.equal(images[0], images[1])
    classify = ZeroShotClassificationInferencer(model, ['cat', 'dog'])
    scores = [result['pred_scores'] for result in classify([str(path) for path in paths])]
    assert np.array_equal(*scores)
    with torch.no_grad():
        index = EmbeddingIndex(model.encode_image(images[:1]), ['drawing'])
    given = [str(paths[0]), paths[0], paths[1], read_image(paths[0]), transparent(drawing)]
    for result in SearchInferencer(model, index)(given):
        assert result['pred_score'] == pytest.approx([1], abs=1e-5)
    # mmpretrain's own read files without transparency, but take what read_image gives.
    caption = ImageCaptionInferencer(model)
    texts = [caption(read_image(path))[0]['pred_caption'] for path in paths]
    assert texts[0] == texts[1]


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_images_have_the_models_type(tiny_config, tmp_path, drawing, dtype):
    drawing.save(tmp_path / 'a.png')
    torch.manual_seed(0)
    model = get_model(tiny_config.copy()).eval()
    ((_, expected, _), ) = load_images(model, [tmp_path / 'a.png'])
    with torch.no_grad():
        embedding = model.encode_image(expected)
        model.to(dtype)
        paths = [tmp_path / 'a.png', tmp_path / 'nothing.png']
        for (read, images, _), number in zip(load_images(model, paths, batch_size=1), (1, 0)):
            assert images.dtype == dtype and len(images) == len(read) == number
            if number:
                torch.testing.assert_close(images.float(), expected, atol=0.02, rtol=0.01)
                similarity = (model.encode_image(images).float() * embedding).sum()
                assert similarity == pytest.approx(1, abs=0.02)


def test_the_pipeline_is_found_within_wrappers(tiny_config, tmp_path, drawing):
    drawing.save(tmp_path / 'a.png')
    cfg = Config(tiny_config.to_dict())
    data = cfg.test_dataloader.dataset
    inner = dict(type='ConcatDataset', datasets=[data, data])
    cfg.test_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=inner)
    ((read, images, _), ) = load_images(get_model(cfg), [tmp_path / 'a.png'])
    assert len(read) == len(images) == 1

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The pixels that open_clip's transform and our config's pipeline give the model."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from PIL import Image

SIZES = [(224, 224), (225, 224), (640, 427), (333, 777), (31, 57)]


@pytest.fixture(scope='module')
def cfg(repository):
    return Config.fromfile(repository / 'configs' / 'coca' / 'open_clip_vit-b-p32.py')


@pytest.fixture(scope='module')
def photo():
    """A photograph that comes with matplotlib."""
    data = Path(find_spec('matplotlib').origin).parent / 'mpl-data' / 'sample_data'
    return Image.open(data / 'grace_hopper.jpg').convert('RGB')


def our_pixels(cfg, path):
    """What the test pipeline packs, in RGB: (3,H,W), 0 to 255."""
    init_default_scope('mmpretrain')
    pipeline = Compose(cfg.test_dataloader.dataset.pipeline)
    return pipeline(dict(img_path=str(path), gt_caption=''))['inputs'].flip(0).float()


def open_clip_pixels(image):
    """open_clip's transform of a PIL image, before it normalises."""
    transform = open_clip.image_transform(224, is_train=False)
    *steps, normalize = transform.transforms
    for step in steps:
        image = step(image)
    assert (normalize.mean,
            normalize.std) == (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    return 255 * image


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize(
    'mode, name', [
        ('RGB', 'image.png'),
        ('L', 'gray.png'),
        ('RGB', 'image.jpg'),
        ('L', 'gray.jpg'),
        ('RGB', 'image.webp'),
        ('CMYK', 'print.jpg'),
    ]
)
def test_pixels_equal_open_clips(cfg, photo, tmp_path, mode, name, size):
    photo.resize(size).convert(mode).save(tmp_path / name)
    ours = our_pixels(cfg, tmp_path / name)
    theirs = open_clip_pixels(Image.open(tmp_path / name))
    difference = (ours - theirs).abs().mean()
    # Both libraries round CMYK on their own; all else is the same to the bit.
    assert difference <= (1 if mode == 'CMYK' else 0)


@pytest.mark.parametrize('mode', ['P', 'RGBA'])
def test_other_modes_are_made_rgb_first(cfg, photo, tmp_path, mode):
    """As open_clip would do it were the image RGB: it resizes a palette by nearest neighbours."""
    image = photo.resize((300, 200)).convert(mode)
    if mode == 'RGBA':
        alpha = np.random.default_rng(0).integers(0, 256, (200, 300), dtype=np.uint8)
        image.putalpha(Image.fromarray(alpha))
    image.save(tmp_path / 'image.png')
    theirs = open_clip_pixels(Image.open(tmp_path / 'image.png').convert('RGB'))
    assert torch.equal(our_pixels(cfg, tmp_path / 'image.png'), theirs.round())


def test_the_model_gets_open_clips_numbers(cfg, photo, tmp_path):
    """Through the data preprocessor: the same normalisation."""
    photo.save(tmp_path / 'image.png')
    init_default_scope('mmpretrain')
    preprocessor = MODELS.build(cfg.model.data_preprocessor)
    packed = our_pixels(cfg, tmp_path / 'image.png').flip(0)
    ours = preprocessor(dict(inputs=packed[None], data_samples=None))['images'][0]
    theirs = open_clip.image_transform(224, is_train=False)(photo)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_both_published_models_have_this_pipeline(cfg, repository):
    large = Config.fromfile(repository / 'configs' / 'coca' / 'open_clip_vit-l-p14.py')
    assert large.test_dataloader.dataset.pipeline == cfg.test_dataloader.dataset.pipeline
    assert large.model.data_preprocessor == cfg.model.data_preprocessor

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Our inferencers read images as training does: of any kind, also what is no file."""

import warnings

import pytest
import torch
from mmpretrain import get_model
from PIL import Image

from mmcoca.apis import (
    FeatureExtractor,
    ImageCaptionInferencer,
    ImageToTextRetrievalInferencer,
)


@pytest.fixture
def model(tiny_config):
    torch.manual_seed(0)
    return get_model(tiny_config)


def test_a_transparent_drawing_is_its_opaque_self(model, tmp_path):
    """OpenCV would show what the transparency hides."""
    drawing = Image.new('RGBA', (40, 40), (255, 0, 0, 0))
    drawing.paste((0, 0, 0, 255), (10, 10, 30, 25))
    drawing.save(tmp_path / 'transparent.png')
    opaque = Image.new('RGB', drawing.size, 'white')
    opaque.paste(drawing, mask=drawing)
    match = ImageToTextRetrievalInferencer(model, prototype=['cat', 'dog'])
    for inferencer in (FeatureExtractor(model), ImageCaptionInferencer(model), match):
        expected = inferencer(opaque)[0]
        for image in (drawing, str(tmp_path / 'transparent.png'), tmp_path / 'transparent.png'):
            found = inferencer(image)[0]
            assert str(found) == str(expected)


def test_a_model_that_has_learned_nothing_says_so(model, tiny_config):
    image = Image.new('RGB', (32, 32))
    with pytest.warns(UserWarning, match='random weights, so that what it says means nothing'):
        ImageCaptionInferencer(model)(image)
    other = get_model(tiny_config)
    other.load_state_dict(model.state_dict())
    with warnings.catch_warnings():
        warnings.filterwarnings('error', 'this CoCa')
        ImageCaptionInferencer(other)(image)

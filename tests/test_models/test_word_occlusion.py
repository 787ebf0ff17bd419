# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import pytest
import torch
from mmpretrain.registry import MODELS
from padded import multimodal, unimodal

from mmcoca.models.word_occlusion import word_occlusion

CAPTIONS = ['hot pepper', 'cat', 'person: blond hair', 'red heart']


def log_probabilities(model, image, caption):
    """Of each token between start and end, from the whole sequence's logits."""
    texts = model.tokenizer([caption])
    lengths = torch.as_tensor(texts.lengths)
    token_ids = torch.as_tensor(texts.token_ids)
    _, regional = model.pool(image[None])
    states, _ = unimodal(model.text, token_ids, lengths)
    states = multimodal(model.text, states, regional, lengths)
    logits = model.captioning_head(states[0, :-1]).log_softmax(dim=-1)
    return logits[range(len(logits)), token_ids[0, 1:]][:-1]


@torch.no_grad()
@pytest.mark.parametrize('height, width', [(32, 32), (32, 48)])
def test_equals_hiding_square_by_square(tiny_model, height, width):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(len(CAPTIONS), 3, height, width, generator=generator)
    maps = word_occlusion(tiny_model, images, CAPTIONS)
    size, step = 5, 2  # a sixth of 32, and half of it
    for image, caption, (words, values) in zip(images, CAPTIONS, maps):
        assert words == caption.split()
        assert values.shape[1:] == ((height - size) // step + 1, (width - size) // step + 1)
        whole = log_probabilities(tiny_model, image, caption)
        for row, column in ((0, 0), (3, 7), (13, values.shape[2] - 1)):
            hidden = image.clone()
            top, left = step * row, step * column
            hidden[:, top:top + size, left:left + size] = 0
            falls = whole - log_probabilities(tiny_model, hidden, caption)
            assert values[:, row, column].sum() != 0
            if len(words) == len(falls):  # a token a word
                torch.testing.assert_close(values[:, row, column], falls, atol=1e-5, rtol=1e-4)
            else:
                assert caption == 'person: blond hair'


def test_model_without_a_captioning_head(tiny_config, images):
    cfg = tiny_config.model.copy()
    cfg.captioning_head = None
    model = MODELS.build(cfg)
    with pytest.raises(ValueError, match='needs a captioning head'):
        word_occlusion(model, images, ['cat'] * 4)

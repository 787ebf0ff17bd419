# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from padded import unimodal

from mmcoca.models import CLIPTokenizer
from mmcoca.models.word_attention import average_words, word_attention, word_maps

CAPTIONS = ['hot pepper', 'flag: Burkina Faso', 'cat', 'T-Rex']


@pytest.fixture
def attentive_model(tiny_model):
    """Larger weights than at initialisation, where all attention is nearly uniform; float64."""
    for name, parameter in tiny_model.named_parameters():
        if 'query' in name or 'key_value' in name:
            parameter.data *= 5
    return tiny_model.double()


def attention_by_hand(attention, x, memory):
    """Mean over heads of softmax(q k / sqrt(d)): (T,D), (S,M) -> (T,S)."""
    dims = x.shape[-1]
    head_dims = dims // attention.num_heads
    query = x @ attention.query.weight.T + attention.query.bias
    key = memory @ attention.key_value.weight[:dims].T + attention.key_value.bias[:dims]
    mean = 0
    for start in range(0, dims, head_dims):
        head = slice(start, start + head_dims)
        scores = (query[:, head] @ key[:, head].T / head_dims**0.5).exp()
        mean = mean + scores / scores.sum(dim=1, keepdim=True) / attention.num_heads
    return mean


@torch.no_grad()
def word_attention_by_hand(model, image, caption):
    """One image and one text, so without padding, through every layer in the open."""
    image_tokens = model.backbone(image[None])[-1][0]
    pooler = model.neck.captioning_pooler
    patches_of_queries = attention_by_hand(pooler.attention, pooler.queries, image_tokens)
    queries = pooler(image_tokens[None])
    x = unimodal(model.text,
                 *model.tokenizer([caption]))[0][:, :-2
                                                 ]  # neither the end nor the position predicting it
    queries_of_words = 0
    for layer in model.text.multimodal.layers:
        attention = layer.cross_attention
        x = x + layer.self_attention(layer.self_attention_norm(x))
        normalised = layer.cross_attention_norm(x)
        queries_of_words += attention_by_hand(attention, normalised[0], queries[0])
        x = x + attention(normalised, attention.project_memory(queries))
        x = x + layer.mlp(layer.mlp_norm(x))
    return queries_of_words / len(model.text.multimodal.layers) @ patches_of_queries


def test_equals_brute_force_whatever_the_batch(attentive_model, images):
    images = images.double()
    attentions = word_attention(attentive_model, attentive_model.backbone(images)[-1], CAPTIONS)
    for image, caption, attention in zip(images, CAPTIONS, attentions, strict=True):
        expected = word_attention_by_hand(attentive_model, image, caption)
        torch.testing.assert_close(attention, expected)
    assert attentions[0].std() > 1e-3


def test_rows_are_distributions_over_the_patches_one_a_token(tiny_model, images):
    lengths = tiny_model.tokenizer(CAPTIONS).lengths - 2
    num_patches = tiny_model.backbone(images)[-1].shape[1]
    for length, attention in zip(
        lengths, word_attention(tiny_model,
                                tiny_model.backbone(images)[-1], CAPTIONS)
    ):
        assert attention.shape == (length, num_patches)
        assert (attention >= 0).all()
        torch.testing.assert_close(attention.sum(dim=1), torch.ones(length))


def test_a_row_does_not_see_the_token_it_is_about(attentive_model, images):
    image = attentive_model.backbone(images[:1].expand(2, -1, -1, -1).double())[-1]
    first, second = word_attention(attentive_model, image, ['red heart', 'red apple'])
    assert first.shape == second.shape  # two tokens each
    torch.testing.assert_close(first, second)
    other, _ = word_attention(attentive_model, image, ['blue heart', 'blue apple'])
    torch.testing.assert_close(first[0], other[0])
    assert not torch.allclose(first[1], other[1])


def test_tokens_of_a_word_are_averaged(tiny_model):
    tokenizer = tiny_model.tokenizer
    caption = 'flag: Burkina Faso'
    offsets = tokenizer.tokenizer.encode(caption).offsets
    assert len(offsets) > 3
    words, weights = average_words(tokenizer, caption, torch.eye(len(offsets)))
    assert words == ['flag:', 'Burkina', 'Faso']
    # An identity in the place of attention tells which tokens were averaged.
    expected = torch.zeros(3, len(offsets))
    for token, (_, end) in enumerate(offsets):
        # A token may be no more than the white space before its word.
        expected[f'{caption[:end]}.'.rstrip('.').count(' '), token] = 1
    torch.testing.assert_close(weights, expected / expected.sum(dim=1, keepdim=True))


def test_words_of_clip_tokens():
    tokenizer = CLIPTokenizer()
    caption = 'A flibbertigibbet and   12 naïve 🙂'
    num_tokens = int(tokenizer([caption]).lengths) - 2
    words, weights = average_words(tokenizer, caption, torch.eye(num_tokens))
    assert words == ['a', 'flibbertigibbet', 'and', '1', '2', 'naïve', '🙂']
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(len(words)))


def test_maps_have_the_layout_of_the_patches(tiny_config):
    init_default_scope('mmpretrain')
    cfg = Config(tiny_config.to_dict()).model
    cfg.backbone.update(img_size=(48, 96), patch_size=12, with_cls_token=True, stem=None)
    model = MODELS.build(cfg).eval()
    images = torch.randn(2, 3, 48, 96, generator=torch.Generator().manual_seed(0))
    for caption, (words, maps) in zip(
        CAPTIONS, word_maps(model,
                            model.backbone(images)[-1], (48, 96), CAPTIONS[:2])
    ):
        assert words == caption.split()
        assert maps.shape == (len(words), 4, 8)


@torch.no_grad()
def test_open_clips_layout(repository):
    """Its pooler's first query is no caption token, its layers normalise the image tokens."""
    init_default_scope('mmpretrain')
    cfg = Config.fromfile(repository / 'configs' / 'coca' / 'open_clip_vit-b-p32.py').model
    cfg.text.update(num_unimodal_layers=1, num_multimodal_layers=1)
    model = MODELS.build(cfg).eval()
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    (attention, ) = word_attention(model, model.backbone(images)[-1], ['a photo of a cat'])
    assert attention.shape == (5, 1 + 49)

    image_tokens = model.backbone(images)[-1]
    pooler, (layer, ) = model.neck.pooler, model.text.multimodal.layers
    patches_of_queries = attention_by_hand(
        pooler.attention, pooler.query_norm(pooler.queries),
        pooler.memory_norm(image_tokens)[0]
    )[1:]
    _, regional_tokens = model.neck(image_tokens)
    x = unimodal(model.text, *model.tokenizer(['a photo of a cat']))[0][:, :-2]
    x = x + layer.self_attention(layer.self_attention_norm(x))
    x = x + layer.mlp(layer.mlp_norm(x))
    queries_of_words = attention_by_hand(
        layer.cross_attention,
        layer.cross_attention_norm(x)[0],
        layer.memory_norm(regional_tokens)[0]
    )
    torch.testing.assert_close(attention, queries_of_words @ patches_of_queries)


def test_model_without_multimodal_layers(tiny_config, images):
    init_default_scope('mmpretrain')
    cfg = Config(tiny_config.to_dict()).model
    cfg.text.num_multimodal_layers = 0
    cfg.captioning_head = None
    with pytest.raises(ValueError, match='num_multimodal_layers'):
        word_attention(MODELS.build(cfg), torch.zeros(4, 16, 128), CAPTIONS)

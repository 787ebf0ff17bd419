# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import pytest
import torch
from padded import multimodal, unimodal
from torch import nn

from mmcoca.models import DecoupledTextDecoder
from mmcoca.models.layers import SelfAttentionCache

VOCABULARY, DIMS = 50, 32


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return DecoupledTextDecoder(VOCABULARY, DIMS, 4, 64, 2, 2, max_length=12).double().eval()


@pytest.fixture
def sentences():
    generator = torch.Generator().manual_seed(1)
    lengths = [3, 12, 7, 5]
    return [torch.randint(VOCABULARY, (n, ), generator=generator) for n in lengths]


def padded(sentences):
    lengths = torch.tensor([len(s) for s in sentences])
    return nn.utils.rnn.pad_sequence(sentences, batch_first=True), lengths


def reference_layer(layer, x, mask, memory=None):
    """One layer through torch's own multi-head attention, with an explicit mask."""

    def attend(attention, in_weights, in_bias, query, key, mask):
        reference = nn.MultiheadAttention(DIMS, attention.num_heads, batch_first=True).double()
        with torch.no_grad():
            reference.in_proj_weight.copy_(in_weights)
            reference.in_proj_bias.copy_(in_bias)
        reference.out_proj = attention.proj
        return reference(query, key, key, attn_mask=mask, need_weights=False)[0]

    attention = layer.self_attention
    normed = layer.self_attention_norm(x)
    x = x + attend(attention, attention.qkv.weight, attention.qkv.bias, normed, normed, mask)
    if memory is not None:
        attention = layer.cross_attention
        weights = torch.cat([attention.query.weight, attention.key_value.weight])
        biases = torch.cat([attention.query.bias, attention.key_value.bias])
        x = x + attend(attention, weights, biases, layer.cross_attention_norm(x), memory, None)
    return x + layer.mlp(layer.mlp_norm(x))


def test_batch_equals_each_sentence_alone(decoder, sentences):
    """Brute force: each sentence unpadded, with the rule for each pair of positions spelled out."""
    image_tokens = torch.randn(len(sentences), 6, DIMS, dtype=torch.double)
    token_ids, lengths = padded(sentences)
    states, features = unimodal(decoder, token_ids, lengths)
    outputs = multimodal(decoder, states, image_tokens, lengths)
    for row, sentence in enumerate(sentences):
        n = len(sentence)
        lower = decoder.unimodal
        tokens = lower.token_embedding(sentence) + lower.position_embedding[:n]
        x = torch.cat([tokens, lower.cls_embedding[None]])[None]
        # Word i sees words 0..i; [CLS], the last, sees every word and itself.
        forbidden = torch.tensor([[j > i for j in range(n + 1)] for i in range(n + 1)])
        for layer in lower.layers:
            x = reference_layer(layer, x, forbidden)
        torch.testing.assert_close(features[row], lower.cls_norm(x[0, n]))
        torch.testing.assert_close(states[row, :n], x[0, :n])
        y, memory = x[:, :n], image_tokens[row, None]
        for layer in decoder.multimodal.layers:
            y = reference_layer(layer, y, forbidden[:n, :n], memory)
        torch.testing.assert_close(outputs[row, :n], decoder.multimodal.norm(y[0]))


def aggregating_decoder(**options):
    torch.manual_seed(0)
    kind = dict(type='mmcoca.AggregatingUnimodalDecoder', **options)
    decoder = DecoupledTextDecoder(VOCABULARY, DIMS, 4, 64, 2, 2, max_length=12, unimodal=kind)
    return decoder.double().eval()


@pytest.mark.parametrize('num_cls_tokens', [1, 3])
@pytest.mark.parametrize('with_text_tokens', [False, True])
def test_aggregate_of_several_outputs(num_cls_tokens, with_text_tokens, sentences):
    """Brute force: each sentence alone, with all its [CLS] tokens after it."""
    torch.manual_seed(0)
    decoder = aggregating_decoder(num_cls_tokens=num_cls_tokens, with_text_tokens=with_text_tokens)
    lower = decoder.unimodal
    states, features = unimodal(decoder, *padded(sentences))
    for row, sentence in enumerate(sentences):
        n = len(sentence)
        tokens = lower.token_embedding(sentence) + lower.position_embedding[:n]
        x = torch.cat([tokens, lower.cls_embedding])[None]
        forbidden = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        for layer in lower.layers:
            x = reference_layer(layer, x, forbidden)
        averaged = x[0] if with_text_tokens else x[0, n:]
        torch.testing.assert_close(features[row], lower.cls_norm(averaged.mean(dim=0)))
        torch.testing.assert_close(states[row, :n], x[0, :n])


def test_aggregate_of_one_cls_is_the_plain_decoder(decoder, sentences):
    aggregating = aggregating_decoder(num_cls_tokens=1)
    weights = decoder.unimodal.state_dict()
    weights['cls_embedding'] = weights['cls_embedding'][None]
    aggregating.unimodal.load_state_dict(weights)
    expected = unimodal(decoder, *padded(sentences))
    for ours, plain in zip(unimodal(aggregating, *padded(sentences)), expected):
        assert torch.equal(ours, plain)


def test_no_cls_is_an_error():
    with pytest.raises(ValueError, match='num_cls_tokens is 0'):
        aggregating_decoder(num_cls_tokens=0)


def test_cls_sees_its_own_sentence_itself_and_no_padding(decoder, sentences):
    token_ids, lengths = padded(sentences)
    # A token of its own at each place, so that a place is seen if its token has a gradient.
    token_ids = torch.arange(token_ids.numel()).view_as(token_ids)
    embedding = decoder.unimodal.token_embedding = nn.Embedding(token_ids.numel(), DIMS).double()
    _, features = unimodal(decoder, token_ids, lengths)
    for row, n in enumerate(lengths.tolist()):
        (gradient, ) = torch.autograd.grad(features[row, 0], embedding.weight, retain_graph=True)
        seen = (gradient.abs().sum(-1) > 0).view_as(token_ids)
        expected = torch.zeros_like(seen)
        expected[row, :n] = True
        assert torch.equal(seen, expected)
        (gradient, ) = torch.autograd.grad(
            features[row, 0], decoder.unimodal.cls_embedding, retain_graph=True
        )
        assert gradient.abs().sum() > 0


def test_word_sees_no_later_word_and_lower_half_no_image(decoder, sentences):
    token_ids, lengths = padded(sentences)
    image_tokens = torch.randn(4, 6, DIMS, dtype=torch.double)
    states, _ = unimodal(decoder, token_ids, lengths)
    outputs = multimodal(decoder, states, image_tokens, lengths)
    changed = token_ids.clone()
    changed[1, 8:] = (changed[1, 8:] + 1) % VOCABULARY
    changed_states, _ = unimodal(decoder, changed, lengths)
    changed_outputs = multimodal(decoder, changed_states, image_tokens, lengths)
    torch.testing.assert_close(outputs[1, :8], changed_outputs[1, :8])
    assert not torch.allclose(outputs[1, 8:], changed_outputs[1, 8:])


def test_too_many_tokens_is_an_error(decoder):
    with pytest.raises(ValueError, match='13 text tokens.* 12 positions'):
        unimodal(decoder, torch.zeros(1, 13, dtype=torch.long), torch.tensor([13]))


LAYOUTS = dict(
    paper={},
    open_clip=dict(
        unimodal=dict(type='mmcoca.FixedLengthUnimodalDecoder'),
        multimodal=dict(type='mmcoca.TwoMLPMultimodalDecoder'),
    ),
    open_clip_corrected=dict(
        unimodal=dict(type='mmcoca.FixedLengthUnimodalDecoder', cls_mask='corrected'),
        multimodal=dict(type='mmcoca.TwoMLPMultimodalDecoder'),
    ),
)


@pytest.mark.parametrize('layout', LAYOUTS)
@torch.no_grad()
def test_cached_states_equal_uncached_ones_in_every_layout(layout):
    """Token by token, and several at once, with the id of open_clip's padding within the texts."""
    torch.manual_seed(0)
    decoder = DecoupledTextDecoder(
        VOCABULARY, DIMS, 4, 64, 2, 2, max_length=12, **LAYOUTS[layout]
    ).double().eval()
    token_ids = torch.randint(1, VOCABULARY, (3, 9))
    token_ids[0, 3] = token_ids[1, [4, 5]] = token_ids[2, 8] = 0
    lengths = torch.full((3, ), 9)
    image_tokens = torch.randn(3, 6, DIMS, dtype=torch.double)
    states, _ = unimodal(decoder, token_ids, lengths)
    expected = multimodal(decoder, states, image_tokens, lengths)
    memory = decoder.multimodal.project_memory(image_tokens)
    for ends in (range(1, 10), [5, *range(6, 10)]):
        caches = [[SelfAttentionCache(12) for _ in range(2)] for _ in range(2)]
        parts, start = [], 0
        for end in ends:
            new_states = decoder.unimodal.decode(token_ids[:, :end], start, caches[0])
            parts.append(decoder.multimodal.decode(new_states, memory, caches[1]))
            start = end
        torch.testing.assert_close(torch.cat(parts, dim=1), expected, atol=1e-12, rtol=0)


def test_unknown_cls_mask():
    unimodal = dict(type='mmcoca.FixedLengthUnimodalDecoder', cls_mask='new')
    with pytest.raises(ValueError, match="cls_mask 'new' is unknown: use 'legacy' or 'corrected'"):
        DecoupledTextDecoder(VOCABULARY, DIMS, 4, 64, 2, 2, unimodal=unimodal)

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import numpy as np
import pytest
import torch
from torch import nn

from mmcoca.models import AttentionalPooler, SharedPooler
from mmcoca.models.layers import (
    CrossAttention,
    MultimodalLayer,
    Packing,
    ProjectedMemory,
    SelfAttention,
    SelfAttentionCache,
    UnprojectedMemory,
)
from mmcoca.models.layers.softmax_attention import attend, attend_explicitly


def test_cached_self_attention_equals_plain():
    torch.manual_seed(0)
    attention = SelfAttention(16, 4).double()
    x = torch.randn(3, 9, 16).double()
    expected = attention(x)
    cache = SelfAttentionCache(9)
    parts = [attention(x[:, :4], cache)] + [attention(x[:, i, None], cache) for i in range(4, 9)]
    torch.testing.assert_close(torch.cat(parts, dim=1), expected)


def test_attention_weights_are_those_that_forward_uses():
    torch.manual_seed(0)
    attention = CrossAttention(16, 4, memory_dims=24)
    x, memory = torch.randn(2, 3, 16), torch.randn(2, 7, 24)
    projected = attention.project_memory(memory)
    weights = attention.attention_weights(x, projected)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 3))
    expected = attention.proj((weights @ projected.values).transpose(1, 2).flatten(-2))
    torch.testing.assert_close(attention(x, projected), expected)
    left = attention.leave_memory(memory)
    torch.testing.assert_close(attention.attention_weights(x, left), weights)


@pytest.mark.parametrize('options', [dict(qk_norm=True), dict(logit_soft_cap=2.0)])
def test_options_of_the_logits(options):
    """By hand, one head at a time, with logits large enough to be capped."""
    torch.manual_seed(0)
    attention = CrossAttention(16, 4, memory_dims=24, **options).double()
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    x, memory = torch.randn(2, 3, 16).double(), torch.randn(2, 7, 24).double()
    projected = attention.project_memory(memory)
    query = attention.query(x)
    key, value = attention.key_value(memory).chunk(2, dim=-1)
    heads, weights = [], []
    for head in range(4):
        channels = slice(4 * head, 4 * head + 4)
        q, k = query[..., channels], key[..., channels]
        if 'qk_norm' in options:
            q, k = attention.query_norm(q), attention.key_norm(k)
        logits = q @ k.transpose(1, 2) / 2
        if 'logit_soft_cap' in options:
            assert logits.abs().max() > 2
            logits = 2 * torch.tanh(logits / 2)
        weights.append(logits.softmax(dim=-1))
        heads.append(weights[-1] @ value[..., channels])
    expected = attention.proj(torch.cat(heads, dim=-1))
    torch.testing.assert_close(attention(x, projected), expected)
    found = attention.attention_weights(x, projected)
    torch.testing.assert_close(found, torch.stack(weights, dim=1))


@pytest.mark.parametrize('options', [dict(qk_norm=True), dict(logit_soft_cap=2.0)])
def test_cached_self_attention_with_options_equals_plain(options):
    torch.manual_seed(0)
    attention = SelfAttention(16, 4, **options).double()
    x = torch.randn(3, 5, 16).double()
    cache = SelfAttentionCache(5)
    parts = [attention(x[:, i, None], cache) for i in range(5)]
    torch.testing.assert_close(torch.cat(parts, dim=1), attention(x))
    assert not torch.allclose(attention(x), SelfAttention(16, 4).double()(x))


def test_pooler_equals_torch_attention():
    torch.manual_seed(0)
    pooler = AttentionalPooler(num_queries=5, dims=16, memory_dims=24, num_heads=4)
    reference = nn.MultiheadAttention(16, 4, kdim=24, vdim=24, batch_first=True)
    ours = pooler.attention
    with torch.no_grad():
        reference.q_proj_weight.copy_(ours.query.weight)
        reference.k_proj_weight.copy_(ours.key_value.weight[:16])
        reference.v_proj_weight.copy_(ours.key_value.weight[16:])
        reference.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key_value.bias]))
    reference.out_proj = ours.proj
    memory = torch.randn(3, 7, 24)
    queries = pooler.queries.expand(3, -1, -1)
    expected, weights = reference(queries, memory, memory, average_attn_weights=False)
    torch.testing.assert_close(pooler(memory), pooler.norm(expected))
    torch.testing.assert_close(pooler.attention_weights(memory), weights)


def test_packed_layer_equals_padded_one():
    """Values and gradients of the real tokens, with texts of every length from 1 to the longest."""
    torch.manual_seed(0)
    layer = MultimodalLayer(16, 4, 32).double()
    lengths = torch.tensor([3, 1, 6, 5])
    x, memory = torch.randn(4, 6, 16).double(), torch.randn(4, 2, 16).double()
    keys_values = layer.cross_attention.project_memory(memory)
    is_token = torch.arange(6) < lengths[:, None]
    packing = Packing.of(lengths.numpy(), 6)
    results = []
    for packed in (False, True):
        leaf = x.clone().requires_grad_()
        if packed:
            out = packing.pad(layer(packing.pack(leaf), keys_values, packing=packing))
            assert not out[~is_token].any()
            assert torch.equal(packing.pack(leaf), leaf[is_token])
        else:
            out = layer(leaf, keys_values)
        out[is_token].square().sum().backward(retain_graph=True)
        results.append((out[is_token], leaf.grad))
    torch.testing.assert_close(*results)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match='width 16 .* 3 attention heads'):
        SelfAttention(16, 3)


def test_shared_pooler_is_one_pooler_cut_after_the_first_query():
    torch.manual_seed(0)
    pooler = SharedPooler(dims=16, memory_dims=24, num_heads=4, num_queries=5)
    memory = torch.randn(3, 7, 24)
    tokens = pooler.pooler(memory)
    global_tokens, regional_tokens = pooler(memory)
    torch.testing.assert_close(global_tokens, tokens[:, :1])
    torch.testing.assert_close(regional_tokens, tokens[:, 1:])
    weights = pooler.captioning_attention(memory)
    assert weights.shape == (3, 4, 4, 7)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(3, 4, 4))


@pytest.mark.parametrize('kind', ['a text each', 'packed', 'the same queries', 'masked'])
def test_attention_to_the_memory_itself_equals_that_to_keys_and_values(kind):
    """Values and all gradients, of weights and biases too."""
    torch.manual_seed(0)
    attention = CrossAttention(16, 4, memory_dims=24).double()
    torch.nn.init.normal_(attention.key_value.bias)
    memory = torch.randn(3, 7, 24).double()
    x = torch.randn(1 if kind == 'the same queries' else 3, 3, 16).double()
    options = {}
    if kind == 'masked':
        options['mask'] = torch.rand(3, 1, 1, 7) < 0.6
        options['mask'][..., 0] = True
    if kind == 'packed':
        options['packing'] = packing = Packing.of(np.array([3, 1, 2]))
        x = packing.pack(x)
    results = []
    for read in (attention.leave_memory, attention.project_memory):
        leaves = [x.clone().requires_grad_(), memory.clone().requires_grad_()]
        attention.zero_grad()
        out = attention(leaves[0], read(leaves[1]), **options)
        out.square().sum().backward()
        gradients = [leaf.grad for leaf in (*leaves, *attention.parameters())]
        results.append([out, *gradients])
    for of_memory, of_keys_and_values in zip(*results):
        torch.testing.assert_close(of_memory, of_keys_and_values)


@pytest.mark.parametrize(
    'num_queries, memory_length, options, is_projected', [
        (42, 200, {}, False),
        (43, 200, {}, True),
        (2, 5, {}, False),
        (3, 5, {}, True),  # of a short memory, keys and values are few
        (1, 5, dict(qk_norm=True), True),
        (1, 5, dict(logit_soft_cap=5.0), True),
    ]
)  # yapf: disable
def test_when_a_memory_is_projected(num_queries, memory_length, options, is_projected):
    """128 channels for each token of the memory, against 128 + 2 (length + 40) a query."""
    attention = CrossAttention(128, 2, **options)
    memory = torch.randn(2, memory_length, 128)
    read = attention.read_once(memory, num_queries)
    assert isinstance(read, ProjectedMemory if is_projected else UnprojectedMemory)
    elsewhere = attention.to('meta').read_once(memory.to('meta'), num_queries)
    assert isinstance(elsewhere, ProjectedMemory)  # no other device was measured


@pytest.mark.parametrize('kind', ['full', 'causal', 'masked'])
def test_explicit_attention_equals_the_fused_kernel(kind):
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(2, 3, 7, 8, generator=generator, dtype=torch.double) for _ in range(3)]
    mask = torch.rand(2, 1, 7, 7, generator=generator) < 0.6
    mask[..., 0] = True  # no row without a key
    options = dict(full={}, causal=dict(is_causal=True), masked=dict(mask=mask))[kind]
    results = []
    for function in (attend, attend_explicitly):
        leaves = [x.clone().requires_grad_() for x in inputs]
        out = function(*leaves, **options)
        out.square().sum().backward()
        results.append([out, *(leaf.grad for leaf in leaves)])
    for fused, explicit in zip(*results):
        torch.testing.assert_close(fused, explicit)
    # In bfloat16 on the CPU, attend takes the explicit way.
    halves = [x.bfloat16() for x in inputs]
    assert torch.equal(attend(*halves, **options), attend_explicitly(*halves, **options))

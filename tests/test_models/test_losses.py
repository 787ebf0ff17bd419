# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
import math

import pytest
import torch
import torch.nn.functional as F
from padded import captioning_loss

from mmcoca.models import (
    CaptioningHead,
    CaptioningLoss,
    ContrastiveHead,
    ContrastiveLoss,
    SigmoidContrastiveLoss,
)
from mmcoca.models.layers import at_least_float32
from mmcoca.models.losses.captioning_loss import token_cross_entropy


@pytest.fixture
def features():
    generator = torch.Generator().manual_seed(0)
    pair = torch.randn(2, 6, 16, generator=generator, dtype=torch.float32)
    return F.normalize(pair, dim=-1)


def brute_force(image, text, scale, groups):
    """Both directions of Eq. 2, a scalar at a time."""
    n = len(image)
    similarity = [[scale * float(image[i] @ text[j]) for j in range(n)] for i in range(n)]
    allowed = [[i == j or groups[i] != groups[j] for j in range(n)] for i in range(n)]
    loss = [0.0, 0.0]
    for i in range(n):
        row = sum(math.exp(similarity[i][j]) for j in range(n) if allowed[i][j])
        column = sum(math.exp(similarity[j][i]) for j in range(n) if allowed[j][i])
        loss[0] -= math.log(math.exp(similarity[i][i]) / row) / n
        loss[1] -= math.log(math.exp(similarity[i][i]) / column) / n
    return loss


@pytest.mark.parametrize('ignore_duplicates', [False, True])
@pytest.mark.parametrize('directions, factor', [('mean', 0.5), ('sum', 1.0)])
def test_contrastive_loss_equals_brute_force(features, directions, factor, ignore_duplicates):
    groups = [0, 1, 2, 0, 0, 1]
    loss = ContrastiveLoss(
        loss_weight=3.0, directions=directions, ignore_duplicates=ignore_duplicates
    )
    value = loss(*features, torch.tensor(14.0), torch.tensor(groups)[:, None])
    expected = brute_force(*features, 14.0, groups if ignore_duplicates else range(6))
    assert float(value) == pytest.approx(3.0 * factor * sum(expected), rel=1e-5)


def test_contrastive_loss_rejects_unknown_directions():
    with pytest.raises(ValueError, match='both'):
        ContrastiveLoss(directions='both')


def test_sigmoid_loss_equals_brute_force(features):
    image, text = features
    total = 0.0
    for i in range(6):
        for j in range(6):
            logit = 9.0 * float(image[i] @ text[j]) - 4.0
            match = 1 / (1 + math.exp(-logit))
            total -= math.log(match if i == j else 1 - match) / 6
    loss = SigmoidContrastiveLoss(loss_weight=3.0, init_logit_bias=-4.0)
    assert float(loss(image, text, torch.tensor(9.0))) == pytest.approx(3 * total, rel=1e-5)


def test_sigmoid_loss_in_the_head_learns_bias_and_temperature(features):
    cfg = dict(type='mmcoca.SigmoidContrastiveLoss')
    head = ContrastiveHead(loss=cfg, init_temperature=0.1)
    losses = head.loss(*features)
    assert float(losses['temperature']) == pytest.approx(0.1)
    losses['loss_contrastive'].backward()
    assert head.loss_module.logit_bias.grad.abs() > 0 and head.logit_scale.grad.abs() > 0
    assert float(head.loss_module.logit_bias.detach()) == -10


def test_temperature_is_clamped_and_still_learns(features):
    head = ContrastiveHead(loss=dict(type='mmcoca.ContrastiveLoss'), min_temperature=0.01)
    with torch.no_grad():
        head.logit_scale.fill_(9.0)
    losses = head.loss(*features)
    assert float(losses['temperature']) == pytest.approx(0.01)
    losses['loss_contrastive'].backward()
    assert head.logit_scale.grad.abs() > 0
    assert float(head.logit_scale.detach()) == pytest.approx(math.log(100))


def test_projections_map_both_modalities():
    head = ContrastiveHead(loss=dict(type='mmcoca.ContrastiveLoss'), dims=16, embed_dims=8)
    assert head.embed_image(torch.randn(3, 1, 16)).shape == (3, 8)
    assert head.embed_text(torch.randn(3, 16)).shape == (3, 8)
    with pytest.raises(ValueError, match='needs dims'):
        ContrastiveHead(loss=dict(type='mmcoca.ContrastiveLoss'), embed_dims=8)


def test_ignored_tokens_are_no_targets():
    torch.manual_seed(0)
    cfg = dict(type='mmcoca.CaptioningLoss', loss_weight=1.0)
    head = CaptioningHead(loss=cfg, vocab_size=11, dims=8, ignore_index=5)
    token_ids, lengths = torch.tensor([[1, 5, 6, 2], [1, 7, 2, 0]]), torch.tensor([4, 3])
    states = torch.randn(2, 3, 8)
    expected = F.cross_entropy(head(states[[0, 0, 1, 1], [1, 2, 0, 1]]), torch.tensor([6, 2, 7, 2]))
    torch.testing.assert_close(captioning_loss(head, states, token_ids, lengths), expected)


@pytest.mark.parametrize('label_smoothing', [0.0, 0.1])
def test_captioning_loss_is_the_mean_over_real_tokens(label_smoothing):
    torch.manual_seed(0)
    head = CaptioningHead(
        loss=dict(type='mmcoca.CaptioningLoss', loss_weight=2.0, label_smoothing=label_smoothing),
        vocab_size=11,
        dims=8,
    )
    token_ids = torch.tensor([[1, 5, 6, 2, 0], [1, 7, 2, 0, 0], [1, 8, 9, 10, 2]])
    lengths = torch.tensor([4, 3, 5])
    states = torch.randn(3, 4, 8)
    loss = captioning_loss(head, states, token_ids, lengths)
    total = 0.0
    for row in range(3):
        for position in range(int(lengths[row]) - 1):
            log_probabilities = head(states[row, position]).log_softmax(-1)
            target = token_ids[row, position + 1]
            total -= (1 - label_smoothing) * log_probabilities[target]
            total -= label_smoothing * log_probabilities.mean()
    torch.testing.assert_close(loss, 2.0 * total / 9)


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize('label_smoothing', [0.0, 0.1])
@pytest.mark.parametrize('chunk_size', [1000, 5])
def test_token_cross_entropy_equals_torchs_with_gradients(dtype, label_smoothing, chunk_size):
    torch.manual_seed(0)
    states, weight = torch.randn(23, 8).to(dtype), torch.randn(13, 8).to(dtype)
    targets = torch.randint(13, (23, )).masked_fill(torch.rand(23) < 0.2, -100)

    def torchs(states, weight):
        return F.cross_entropy(
            at_least_float32(states @ weight.T),
            targets,
            reduction='sum',
            label_smoothing=label_smoothing,
        )

    def ours(states, weight):
        return token_cross_entropy(states, weight, targets, label_smoothing, chunk_size)

    results = []
    for loss_of in (torchs, ours):
        inputs = [x.clone().requires_grad_() for x in (states, weight)]
        loss = loss_of(*inputs)
        (0.3 * loss).backward()
        assert [x.grad.dtype for x in inputs] == [dtype, dtype]
        results.append([loss.detach(), *(x.grad for x in inputs)])
    tolerance = dict(rtol=2e-2, atol=2e-2) if dtype == torch.bfloat16 else {}
    for expected, result in zip(*results):
        torch.testing.assert_close(result, expected, **tolerance)


def test_token_cross_entropy_under_autocast_and_with_a_frozen_side():
    torch.manual_seed(0)
    states, weight, targets = torch.randn(9, 8), torch.randn(13, 8), torch.randint(13, (9, ))
    gradients = []
    for learns in [(True, True), (True, False), (False, True)]:
        inputs = [x.clone().requires_grad_(need) for x, need in zip((states, weight), learns)]
        with torch.autocast('cpu', torch.bfloat16):
            loss = token_cross_entropy(*inputs, targets)
        loss.backward()
        assert [x.grad is not None for x in inputs] == list(learns)
        gradients.append([x.grad for x in inputs])
    both, of_states, of_weight = gradients
    assert torch.equal(both[0], of_states[0]) and torch.equal(both[1], of_weight[1])
    inputs = [x.clone().requires_grad_() for x in (states, weight)]
    F.cross_entropy(inputs[0] @ inputs[1].T, targets, reduction='sum').backward()
    for x, gradient in zip(inputs, both):
        torch.testing.assert_close(gradient, x.grad, rtol=3e-2, atol=3e-2)


def test_captioning_loss_alone():
    states, weight, targets = torch.randn(5, 8), torch.randn(11, 8), torch.arange(5)
    value = CaptioningLoss(loss_weight=1.0)(states, weight, targets)
    torch.testing.assert_close(value, F.cross_entropy(states @ weight.T, targets))

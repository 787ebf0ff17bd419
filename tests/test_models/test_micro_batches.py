# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Losses and gradients of a batch that is computed in parts are those of the batch."""

import copy

import pytest
import torch
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

CAPTIONS = [
    'cat', 'dog', 'cat', 'a much longer text about nothing at all', 'red circle', 'key', 'sun'
]
SAMPLES = [DataSample(gt_caption=caption) for caption in CAPTIONS]
DROPPED = dict(
    backbone=dict(patch_dropout=0.3, drop_path_rate=0.3, drop_rate=0.1), text=dict(dropout=0.2)
)


@pytest.fixture
def build(tiny_config):
    """The tiny model in float64, the same weights each time, with other options."""

    def built(**options):
        cfg = copy.deepcopy(tiny_config)
        cfg.merge_from_dict(dict(model=copy.deepcopy(options)))
        torch.manual_seed(0)
        return MODELS.build(cfg.model).double().train()

    return built


def step(model, images):
    """Losses, gradients and buffers of one step, the random numbers those of seed 1."""
    torch.manual_seed(1)
    losses = model(images, SAMPLES, mode='loss')
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    values = {name: value.detach() for name, value in losses.items()}
    return values | gradients | dict(model.named_buffers())


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    largest = max(value.abs().max() for value in expected.values())
    for name, value in expected.items():
        # A bias before a batch norm has the gradient 0, but for rounding.
        scale = value.abs().max().clamp(min=1e-6 * largest)
        assert (found[name] - value).abs().max() <= 1e-9 * scale, name


@pytest.fixture
def many_images():
    return torch.randn(7, 3, 32, 32, dtype=torch.double, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('micro_batch_size', [1, 3, 7])
@pytest.mark.parametrize(
    'options', [
        {},
        dict(contrastive_head=dict(loss=dict(ignore_duplicates=True))),
        dict(captioning_head=dict(loss=dict(loss_weight=0.0))),
        dict(
            contrastive_head=dict(
                loss=dict(_delete_=True, type='mmcoca.SigmoidContrastiveLoss', chunk_size=2)
            )
        ),
    ]
)
def test_parts_are_the_batch(build, many_images, options, micro_batch_size):
    expected = step(build(**options), many_images)
    found = step(build(**options, micro_batch_size=micro_batch_size), many_images)
    assert_equal(found, expected)


def test_parts_are_computed_again_with_the_same_random_numbers(build, many_images, monkeypatch):
    """Dropout, patch dropout and drop path: as if each part's activations had been kept."""
    options = dict(DROPPED, micro_batch_size=3)
    found = step(build(**options), many_images)
    monkeypatch.setattr(
        'mmcoca.models.coca.checkpoint', lambda function, *inputs, **options: function(*inputs)
    )
    assert_equal(found, step(build(**options), many_images))
    assert not torch.equal(found['loss_captioning'], step(build(), many_images)['loss_captioning'])


def test_activations_of_one_part_are_held(build, many_images):
    """What the graph keeps does not grow with the number of parts, but for their embeddings."""

    def bytes_kept(model, images, samples):
        sizes = {}

        def keep(tensor):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            losses = model(images, samples, mode='loss')
        del losses
        return sum(sizes.values())

    images = many_images[[0, 1]]
    small = bytes_kept(build(), images, SAMPLES[:2])
    large = bytes_kept(build(micro_batch_size=2), images.repeat(8, 1, 1, 1), SAMPLES[:2] * 8)
    assert large < small


def test_sizes_below_one_are_errors(build):
    with pytest.raises(ValueError, match='micro_batch_size=0: use 1 or more'):
        build(micro_batch_size=0)
    with pytest.raises(ValueError, match='token_multiple=0: use 1 or more'):
        build(text=dict(token_multiple=0))


def test_tasks_without_a_contrastive_loss_refuse_it(build):
    head = dict(type='mmcoca.UnderstandingHead', num_classes=3)
    with pytest.raises(ValueError, match='micro_batch_size is for the contrastive loss'):
        build(type='mmcoca.CoCaForUnderstanding', understanding_head=head, micro_batch_size=2)

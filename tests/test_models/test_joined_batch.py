# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Losses and gradients of several processes are those of one on the joined batch."""

import copy

import numpy as np
import pytest
import torch
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch.nn.parallel import DistributedDataParallel
from warm_processes import run_on_ranks

from mmcoca.models.text.packed_texts import marks_of_texts

DIFFERENT = [
    'cat', 'dog', 'hot pepper', 'a much longer text about nothing at all', 'red circle', 'key'
]
# Across processes, within one, and of other padding in each.
EQUAL = ['cat', 'dog', 'cat', 'a much longer text about nothing at all', 'dog', 'cat']
SIGMOID = dict(_delete_=True, type='mmcoca.SigmoidContrastiveLoss', init_logit_bias=-1.0)


def head(**options):
    """Changes of the model: its contrastive head's."""
    return dict(contrastive_head=options)


CASES = {
    'softmax': (head(loss=dict(ignore_duplicates=False)), DIFFERENT),
    'softmax, equal captions': (head(loss=dict(ignore_duplicates=True)), EQUAL),
    'softmax, equal captions as negatives': (head(loss=dict(ignore_duplicates=False)), EQUAL),
    'softmax without batch norm': (head(norm_cfg=None), DIFFERENT),
    'sigmoid': (head(loss=SIGMOID), DIFFERENT),
    'sigmoid in chunks': (head(loss=dict(SIGMOID, chunk_size=4)), EQUAL),
    'micro-batches': (dict(head(loss=dict(ignore_duplicates=True)), micro_batch_size=2), EQUAL),
}


def build(cfg, changes):
    """The tiny model in float64, with a layer of each kind and such changes."""
    cfg = copy.deepcopy(cfg)
    cfg.merge_from_dict(dict(model=copy.deepcopy(changes)))
    torch.manual_seed(0)
    return MODELS.build(cfg.model).double()


def step(model, images, captions):
    """The sum of both losses, after its gradients are there."""
    samples = [DataSample(gt_caption=caption) for caption in captions]
    losses = model(images, samples, mode='loss')
    total = sum(value for name, value in losses.items() if 'loss' in name)
    total.backward()
    return total.detach()


def compare_on_rank(rank, processes, cfg, images, expected):
    size = len(images) // processes
    own = slice(rank * size, (rank + 1) * size)
    for name, (changes, captions) in CASES.items():
        model = DistributedDataParallel(build(cfg, changes))
        total = step(model, images[own], captions[own])
        joined, gradients, buffers = expected[name]
        # The value is the joined batch's in each process.
        torch.testing.assert_close(total, joined, rtol=1e-9, atol=0, msg=name)
        largest = max(gradient.abs().max() for gradient in gradients.values())
        for key, parameter in model.module.named_parameters():
            scale = gradients[key].abs().max().clamp(min=1e-6 * largest)
            difference = (parameter.grad - gradients[key]).abs().max()
            if gradients[key].abs().max() <= 1e-14 * largest:
                # That of a bias before a batch norm is 0, but for the rounding of large terms.
                assert difference <= 1e-14 * largest, (name, key, float(difference / largest))
            else:
                assert difference <= 1e-9 * scale, (name, key, float(difference / scale))
        for key, buffer in model.module.named_buffers():
            torch.testing.assert_close(buffer, buffers[key], rtol=1e-9, atol=1e-12)


@pytest.fixture
def cfg(tiny_config):
    """The tiny model's config."""
    cfg = copy.deepcopy(tiny_config)
    cfg.model.text.update(num_unimodal_layers=1, num_multimodal_layers=1)
    cfg.model.backbone.arch.num_layers = 1
    return cfg


@pytest.mark.parametrize('processes', [1, 2, 3])
def test_losses_and_gradients(cfg, processes):
    torch.manual_seed(1)
    images = torch.randn(6, 3, 32, 32, dtype=torch.float64)
    expected = {}
    for name, (changes, captions) in CASES.items():
        model = build(cfg, dict(changes, micro_batch_size=None))
        total = step(model, images, captions)
        gradients = {key: parameter.grad for key, parameter in model.named_parameters()}
        expected[name] = total, gradients, dict(model.named_buffers())
    run_on_ranks(compare_on_rank, processes, processes, cfg, images, expected)


def test_marks_are_equal_for_equal_captions_alone():
    token_ids = torch.randint(3, 2000, (300, 12))
    lengths = torch.randint(1, 13, (300, ))
    for row, length in enumerate(lengths):
        token_ids[row, length:] = 0
    token_ids[7, :5], lengths[7] = token_ids[8, :5], 5
    token_ids[8, 5:], lengths[8] = 0, 5
    token_ids, lengths = token_ids.numpy(), lengths.numpy()
    marks = marks_of_texts(token_ids, lengths)
    texts = [tuple(row[:length].tolist()) for row, length in zip(token_ids, lengths)]
    for i in range(0, 300, 7):
        for j in range(300):
            assert (marks[i] == marks[j]).all() == (texts[i] == texts[j])
    padded = np.pad(token_ids, ((0, 0), (0, 5)), constant_values=99)
    assert (marks_of_texts(padded, lengths) == marks).all()

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Packed texts, filled up to few sizes or not, give one loss."""

import copy

import numpy as np
import pytest
import torch
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from mmcoca.models.text.packed_texts import pack_texts

CAPTIONS = ['cat', 'dog', 'a much longer text about nothing at all', 'red circle']
DECODERS = dict(
    paper={},
    several_cls=dict(
        unimodal=dict(type='mmcoca.AggregatingUnimodalDecoder', with_text_tokens=True)
    ),
    open_clip=dict(
        unimodal=dict(type='mmcoca.FixedLengthUnimodalDecoder'),
        multimodal=dict(type='mmcoca.TwoMLPMultimodalDecoder'),
    ),
)


@pytest.mark.parametrize('decoder', DECODERS)
def test_rounded_sizes_change_no_loss_and_no_gradient(tiny_config, images, decoder):
    results = []
    for multiple in (1, 64):
        cfg = copy.deepcopy(tiny_config)
        cfg.model.text.update(DECODERS[decoder], token_multiple=multiple)
        torch.manual_seed(0)
        model = MODELS.build(cfg.model).double()
        texts = model.pack(CAPTIONS)
        for packing, ids in (
            (texts.packing, texts.token_ids), (texts.before_next.packing, texts.targets)
        ):
            assert len(packing.read_from) == len(packing.write_to) == len(ids)
        if multiple > 1:
            assert len(texts.token_ids) == 64 and texts.packing.max_length % 8 == 0
        samples = [DataSample(gt_caption=caption) for caption in CAPTIONS]
        losses = model(images.double(), samples, mode='loss')
        sum(value for name, value in losses.items() if 'loss' in name).backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        results.append([*losses.values(), *gradients])
    for rounded, plain in zip(*results, strict=True):
        torch.testing.assert_close(rounded, plain, rtol=1e-9, atol=1e-12)


def test_indices_by_hand():
    """Two texts, start 1 and end 2, one [CLS] after each; the second is read twice, first."""
    token_ids = np.array([[1, 7, 2, 0], [1, 8, 9, 2]])
    lengths = np.array([3, 4])
    texts = pack_texts(token_ids, lengths, lengths[:, None], 0, 'cpu', order=np.array([1, 0, 1]))
    assert texts.token_ids.tolist() == [1, 7, 2, 0, 1, 8, 9, 2, 0]
    assert texts.positions.tolist() == [0, 1, 2, 0, 0, 1, 2, 3, 0]
    assert texts.cls_rows.tolist() == [[3], [8]]
    assert texts.packing.read_from.tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert texts.whole.rows.tolist() == [4, 5, 6, 7, 0, 1, 2, 4, 5, 6, 7]
    assert texts.before_next.rows.tolist() == [4, 5, 6, 0, 1, 4, 5, 6]
    assert texts.targets.tolist() == [8, 9, 2, 7, 2, 8, 9, 2]
    assert texts.before_next.packing.lengths.tolist() == [3, 2, 3]

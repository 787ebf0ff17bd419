# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The encoder in mmaction2's Recognizer2D, by its name alone."""

import pytest
import torch
from mmengine.registry import init_default_scope

pytest.importorskip('mmaction', reason='mmaction2 is not installed')


def test_a_recognizer_learns_from_our_maps():
    """Clips of two colours; mmaction2's TSN head over the frames, no custom_imports."""
    from mmaction.registry import MODELS
    from mmaction.structures import ActionDataSample

    init_default_scope('mmaction')
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='Recognizer2D',
            data_preprocessor=dict(
                type='ActionDataPreprocessor', mean=[0] * 3, std=[255] * 3, format_shape='NCHW'
            ),
            backbone=dict(
                # By mmpretrain's scope, for the recognizer takes the tuples of its encoders alone.
                type='mmpretrain.mmcoca.CoCaViT',
                arch=dict(embed_dims=32, num_layers=2, num_heads=4, feedforward_channels=64),
                img_size=32,
                patch_size=8,
                out_type='featmap',
            ),
            cls_head=dict(
                type='TSNHead',
                num_classes=2,
                in_channels=32,
                dropout_ratio=0.0,
                average_clips='prob',
            ),
        )
    )
    clips = torch.zeros(2, 3, 3, 32, 32, dtype=torch.uint8)  # two clips of three frames
    clips[1, :, 0] = 255
    samples = [ActionDataSample().set_gt_labels(label) for label in (0, 1)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(20):
        data = model.data_preprocessor(dict(inputs=[*clips], data_samples=samples), True)
        losses = model(**data, mode='loss')
        optimizer.zero_grad()
        losses['loss_cls'].backward()
        optimizer.step()
    model.eval()
    data = model.data_preprocessor(dict(inputs=[*clips], data_samples=samples), False)
    found = model(**data, mode='predict')
    assert [int(sample.pred_scores.item.argmax()) for sample in found] == [0, 1]

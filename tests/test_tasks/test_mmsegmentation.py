# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The encoder in a segmentor of mmsegmentation, by its name alone."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope

pytest.importorskip('mmseg', reason='mmsegmentation is not installed')


def test_an_encoder_decoder_learns_from_our_maps():
    """Two halves of an image, of which each has a colour: no custom_imports, mmseg's own scope."""
    from mmengine.structures import PixelData
    from mmseg.registry import MODELS
    from mmseg.structures import SegDataSample

    init_default_scope('mmseg')
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='EncoderDecoder',
            data_preprocessor=dict(
                type='SegDataPreProcessor',
                mean=[0] * 3,
                std=[255] * 3,
                size=(40, 56),
                test_cfg=dict(size_divisor=1),
            ),
            backbone=dict(
                type='mmcoca.CoCaViT',
                arch=dict(embed_dims=32, num_layers=2, num_heads=4, feedforward_channels=64),
                img_size=32,
                patch_size=8,
                out_type='featmap',
            ),
            decode_head=dict(
                type='FCNHead',
                in_channels=32,
                channels=16,
                num_convs=1,
                num_classes=2,
                norm_cfg=dict(type='BN'),
                loss_decode=dict(type='CrossEntropyLoss'),
            ),
            test_cfg=ConfigDict(mode='whole'),
        )
    )
    image = torch.zeros(3, 40, 56, dtype=torch.uint8)  # neither square nor the size of training
    image[0, :, 28:] = 255
    truth = (image[:1] > 0).long()
    sample = SegDataSample(gt_sem_seg=PixelData(data=truth))
    sample.set_metainfo(dict(img_shape=(40, 56), ori_shape=(40, 56), pad_shape=(40, 56)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(30):
        data = model.data_preprocessor(dict(inputs=[image] * 2, data_samples=[sample] * 2), True)
        losses = model(**data, mode='loss')
        optimizer.zero_grad()
        sum(value for name, value in losses.items() if 'loss' in name).backward()
        optimizer.step()
    model.eval()
    data = model.data_preprocessor(dict(inputs=[image], data_samples=[sample]), False)
    found = model(**data, mode='predict')[0].pred_sem_seg.data
    assert (found == truth).float().mean() > 0.9

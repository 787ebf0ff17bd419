# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""What of a detector's config follows from its encoder."""

from __future__ import annotations

from mmengine.config import ConfigDict

from mmcoca.models import CoCaViT
from mmcoca.models.necks.simple_feature_pyramid import NUM_OUTS, OUT_CHANNELS, SCALES, strides_of


def fit_detector(model: ConfigDict) -> None:
    """Give a joined Mask R-CNN the sizes of its `CoCaViT` and of its pyramid, in place.

    With `window_size` the last layer of each quarter attends to the whole image (ViTDet, arXiv
    2203.16527, section 3).

    Args:
        model: The `model` of a config, with `backbone`, `neck`, `rpn_head` and `roi_head`.
    """
    backbone, neck, rpn, roi = model.backbone, model.neck, model.rpn_head, model.roi_head
    arch = backbone.arch
    arch = CoCaViT.arch_zoo[arch] if isinstance(arch, str) else arch
    neck.in_channels = arch['embed_dims']
    if backbone.get('window_size'):
        quarter = arch['num_layers'] // 4
        backbone.global_layers = list(range(quarter - 1, arch['num_layers'], quarter))
    scales, channels = neck.get('scales', SCALES), neck.get('out_channels', OUT_CHANNELS)
    rpn.anchor_generator.strides = strides_of(
        backbone.patch_size, scales, neck.get('num_outs', NUM_OUTS)
    )
    rpn.in_channels = rpn.feat_channels = channels
    for extractor in (roi.bbox_roi_extractor, roi.mask_roi_extractor):
        extractor.featmap_strides = rpn.anchor_generator.strides[:len(scales)]
        extractor.out_channels = channels
    roi.bbox_head.in_channels = roi.mask_head.in_channels = channels

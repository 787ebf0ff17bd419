# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The image encoder."""

from __future__ import annotations

import torch
from mmpretrain.models import VisionTransformer
from mmpretrain.models.utils import build_2d_sincos_position_embedding
from torch import nn

from mmcoca.registry import MODELS

from ..layers import attend


@MODELS.register_module()
class CoCaViT(VisionTransformer):
    """mmpretrain's VisionTransformer with the paper's sizes, returning every patch token.

    Images (B,3,H,W) -> a tuple of one (B,N,W), after the last LayerNorm. There is no class token:
    the attentional poolers read the patches (paper section 3.2; 288 px and patch 18 give the 256
    tokens of Table 1). With `out_type` 'avg_featmap' or 'featmap' it serves mmpretrain's heads.

    Args:
        arch, img_size, patch_size, out_type, with_cls_token, **kwargs: As in VisionTransformer.
        pos_embed_init: How the learned position embeddings start: 'normal' (deviation 0.02) or
            'sincos', for short training: sines and cosines of the patch's row and column, as large
            as the patch embeddings themselves.
        stem: A module, images (B,3,H,W) -> (B,W,H/patch_size,W/patch_size), that takes the place of
            the linear patch embedding; `ConvStem` is one.

    Raises ValueError if the image size is no multiple of the patch size, if the stem has another
    stride, or for another `pos_embed_init`.
    """

    arch_zoo = {
        **VisionTransformer.arch_zoo,
        # "CoCa" of Table 1: 40 layers, MLP 6144, width 1408, 16 heads.
        **dict.fromkeys(
            ['2b', 'coca'],
            dict(embed_dims=1408, num_layers=40, num_heads=16, feedforward_channels=6144),
        ),
    }

    def __init__(
        self,
        arch: str | dict = 'base',
        img_size: int | tuple[int, int] = 288,
        patch_size: int = 18,
        out_type: str = 'raw',
        with_cls_token: bool = False,
        pos_embed_init: str = 'normal',
        stem: dict | None = None,
        **kwargs,
    ) -> None:
        if pos_embed_init not in ('normal', 'sincos'):
            raise ValueError(f"pos_embed_init '{pos_embed_init}': use 'normal' or 'sincos'")
        self.pos_embed_init = pos_embed_init
        sides = (img_size, ) if isinstance(img_size, int) else tuple(img_size)
        if any(side % patch_size for side in sides):
            raise ValueError(
                f'image size {img_size} is not a multiple of the patch size {patch_size}'
            )
        super().__init__(
            arch=arch,
            img_size=img_size,
            patch_size=patch_size,
            out_type=out_type,
            with_cls_token=with_cls_token,
            **kwargs,
        )
        if stem is not None:
            self.patch_embed.projection = self._build_stem(stem, patch_size)
        for layer in self.layers:
            layer.attn.scaled_dot_product_attention = attend

    def _build_stem(self, stem: dict, patch_size: int) -> nn.Module:
        module = MODELS.build(dict(stem, out_channels=self.embed_dims))
        if module.stride != patch_size:
            raise ValueError(
                f'the strides of the stem make {module.stride} pixels a token, but the patch size '
                f'is {patch_size}'
            )
        return module

    def init_weights(self) -> None:
        """Initialise as VisionTransformer does, but for the position embeddings."""
        super().init_weights()
        if self.pos_embed_init == 'sincos' and self.init_cfg is None:
            # Wave lengths from 6 to 60 patches: grids here have 4 to 40 patches a side.
            waves = build_2d_sincos_position_embedding(
                self.patch_resolution, self.embed_dims, temperature=10.0
            )
            with torch.no_grad():
                self.pos_embed[:, self.num_extra_tokens:] = waves

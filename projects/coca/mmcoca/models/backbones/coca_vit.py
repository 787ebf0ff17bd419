# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The image encoder."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from mmengine.model import PretrainedInit
from mmpretrain.models import VisionTransformer
from mmpretrain.models.utils import build_2d_sincos_position_embedding, resize_pos_embed
from torch import Tensor, nn

from mmcoca.registry import MODELS

from ..layers import MultiHeadAttention, attend, recompute
from .patch_dropout import PatchDropout
from .windows import Windows


class PatchAttention(MultiHeadAttention):
    """What mmpretrain's attention layers call with queries, keys and values (B,heads,N,C)."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor, dropout_p: float = 0.0) -> Tensor:
        """Attend with the options of `MultiHeadAttention` -> (B,heads,N,C)."""
        query, key = self.query_norm(query), self.key_norm(key)
        return attend(query, key, value, dropout_p=dropout_p, logit_soft_cap=self.logit_soft_cap)


@MODELS.register_module()
class CoCaViT(VisionTransformer):
    """mmpretrain's VisionTransformer with the paper's sizes, returning every patch token.

    Images (B,3,height,width) -> a tuple of one (B,N,W), after the last LayerNorm. There is no class
    token: the attentional poolers read the patches (paper section 3.2; 288 px and patch 18 give the
    256 tokens of Table 1). With `out_type` 'avg_featmap' it serves mmpretrain's heads, with
    'featmap' it gives detectors a map (B,W,rows,columns) after each layer of `out_indices`. Images
    of another size have their position embeddings interpolated; one that is no multiple of the
    patch size is padded at its lower and right border.

    Args:
        arch, img_size, patch_size, out_type, out_indices, with_cls_token: As in VisionTransformer.
        pos_embed_init: How the learned position embeddings start: 'normal' (deviation 0.02) or
            'sincos', for short training: sines and cosines of the patch's row and column, as large
            as the patch embeddings themselves. What an `init_cfg` loads takes their place.
        stem: A module, images (B,3,height,width) -> (B,W,height/patch_size,width/patch_size), that
            takes the place of the linear patch embedding; `ConvStem` is one.
        patch_dropout: Part of the patches that training leaves out (`PatchDropout`).
        attention_cfg: Options of the attention layers, `qk_norm` and `logit_soft_cap`.
        window_size: Layers attend within windows of so many patches a side, for large images
            (`Windows`; ViTDet, arXiv 2203.16527, section 3: 14). 0: to the whole image.
        global_layers: Layers that attend to the whole image nevertheless (ViTDet: the last of each
            quarter). Stochastic depth leaves out a window of the others, not an image.
        with_cp: Each layer computes its activations again in the backward pass.
        frozen_stages: So many layers, and all before them, do not learn and stay in evaluation
            mode, without dropout, stochastic depth or patch dropout; -1 and 0: everything learns.
        **kwargs: VisionTransformer's `drop_path_rate` and `layer_scale_init_value` among them.

    Initialised as VisionTransformer: MLPs Xavier-uniform, attention by torch's default for linear
    layers, position embeddings normal with deviation 0.02, the class token 0.

    Raises ValueError if the image size is no multiple of the patch size, if the heads do not divide
    the width, if the stem has another stride, for another `pos_embed_init`, for patch dropout where
    every patch is needed, and for windows with a class token.
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
        patch_dropout: float = 0.0,
        attention_cfg: dict | None = None,
        window_size: int = 0,
        global_layers: Sequence[int] = (),
        with_cp: bool = False,
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
        if patch_dropout:
            if out_type == 'featmap' or window_size:
                raise ValueError(
                    "patch_dropout leaves no map of patches, as out_type 'featmap' and window_size "
                    'need'
                )
            dropout = PatchDropout(patch_dropout, self.num_extra_tokens)
            self.drop_after_pos = nn.Sequential(self.drop_after_pos, dropout)
        if window_size and with_cls_token:
            raise ValueError('window_size: a class token is in no window (with_cls_token)')
        self.patch_size = patch_size
        self.window_size = window_size
        self.global_layers = set(global_layers)
        for layer in self.layers:
            if with_cp:
                recompute(layer)
            layer.attn.scaled_dot_product_attention = PatchAttention(
                self.embed_dims, layer.attn.num_heads, **(attention_cfg or {})
            )
        for module in self.modules():
            if isinstance(module, DropPath):
                module.drop_prob = float(module.drop_prob)  # NumPy's own, which no graph takes
        # VisionTransformer has frozen its own parts, before some were replaced.
        for module in self.frozen_modules():
            module.requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B,3,height,width) -> what `out_type` says, of each layer of `out_indices`."""
        states, grid = self.states_after(images, self.out_indices)
        if self.final_norm and self.num_layers - 1 in self.out_indices:
            states[-1] = self.ln1(states[-1])
        return tuple(self._format_output(tokens, grid) for tokens in states)

    def get_intermediate_layers(
        self,
        images: Tensor,
        n: int | Sequence[int] = 1,
        reshape: bool = False,
        norm: bool = True
    ) -> tuple[Tensor, ...]:
        """The patches' tokens after several layers, by the arguments of DINOv2's models.

        Images (B,3,height,width) -> a tuple of (B,N,W).

        Args:
            n: The last n layers, or the numbers of layers, from 0.
            reshape: To maps (B,W,rows,columns).
            norm: Through the last LayerNorm, of all of them.

        Raises ValueError for a layer that is not there.
        """
        layers = range(self.num_layers - n, self.num_layers) if isinstance(n, int) else sorted(n)
        if not layers or not 0 <= layers[0] <= layers[-1] < self.num_layers:
            raise ValueError(f'n={n!r}: there are {self.num_layers} layers')
        states, grid = self.states_after(images, layers)
        if norm and self.final_norm:
            states = [self.ln1(tokens) for tokens in states]
        states = [tokens[:, self.num_extra_tokens:] for tokens in states]
        if reshape:
            states = [tokens.mT.unflatten(2, grid) for tokens in states]
        return tuple(states)

    def states_after(self, images: Tensor,
                     layers: Collection[int]) -> tuple[list[Tensor], tuple[int, int]]:
        """Images (B,3,height,width) -> (B,N,W) after each of these layers, before the last
        LayerNorm; rows and columns of patches.
        """
        tokens, grid = self.embed_patches(images)
        windows = None
        if self.window_size:
            windows = Windows.of(*grid, self.window_size, tokens.device)
        states = []
        for number, layer in enumerate(self.layers):
            if windows is None or number in self.global_layers:
                tokens = layer(tokens)
            else:
                tokens = windows.join(layer(windows.split(tokens)), images.shape[0])
            if number in layers:
                states.append(tokens)
        return states, grid

    def embed_patches(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Images (B,3,height,width) -> tokens (B,N,W) with their positions; rows and columns."""
        below, right = (-side % self.patch_size for side in images.shape[-2:])
        if below or right:
            images = F.pad(images, (0, right, 0, below))
        tokens, grid = self.patch_embed(images)
        if self.cls_token is not None:
            tokens = torch.cat([self.cls_token.expand(images.shape[0], -1, -1), tokens], dim=1)
        positions = resize_pos_embed(
            self.pos_embed,
            self.patch_resolution,
            grid,
            mode=self.interpolate_mode,
            num_extra_tokens=self.num_extra_tokens,
        )
        return self.pre_norm(self.drop_after_pos(tokens + positions)), grid

    def frozen_modules(self) -> list[nn.Module]:
        """The modules that `frozen_stages` keeps from learning."""
        if self.frozen_stages <= 0:
            return []
        modules = [self.patch_embed, self.drop_after_pos, self.pre_norm]
        modules += self.layers[:self.frozen_stages]
        if self.frozen_stages == self.num_layers:
            modules += [getattr(self, name) for name in ('ln1', 'ln2') if hasattr(self, name)]
        return modules

    def train(self, mode: bool = True) -> CoCaViT:
        """As in any module, but that frozen stages stay in evaluation mode."""
        super().train(mode)
        for module in self.frozen_modules():
            module.eval()
        return self

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
        init_cfg = self.init_cfg or []
        init_cfgs = [init_cfg] if isinstance(init_cfg, dict) else init_cfg
        is_loaded = any(cfg['type'] in ('Pretrained', PretrainedInit) for cfg in init_cfgs)
        if not is_loaded:
            super().init_weights()
        if self.pos_embed_init == 'sincos':
            # Wave lengths from 6 to 60 patches: grids here have 4 to 40 patches a side.
            waves = build_2d_sincos_position_embedding(
                self.patch_resolution, self.embed_dims, temperature=10.0
            )
            with torch.no_grad():
                self.pos_embed[:, self.num_extra_tokens:] = waves
        if is_loaded:
            # VisionTransformer's own would overwrite position embeddings that a list loads.
            super(VisionTransformer, self).init_weights()

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""From pooled image and text features to the shared embedding and its loss."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmcoca.registry import MODELS

from ..joined_batch import first_own_row, gather_rows
from ..layers import at_least_float32, init_transformer_weights


def of_joined_batch(norm: nn.Module, features: Tensor) -> Tensor:
    """Normalise features (B,D); a batch norm in training by the rows of all processes.

    torch's SyncBatchNorm does not run on CPUs.
    """
    if not (norm.training and isinstance(norm, nn.modules.batchnorm._BatchNorm)):
        return norm(features)
    start = first_own_row(len(features))
    return norm(gather_rows(features))[start:start + len(features)]


@MODELS.register_module()
class ContrastiveHead(BaseModule):
    """Embeds both modalities, L2-normalised, and holds the learned temperature.

    Args:
        loss: Config of the contrastive loss.
        dims: Width D of the pooled image and text feature; needed with `embed_dims` or `norm_cfg`.
        embed_dims: E of two linear projections; None compares the features as they are
            (paper: "decoupled" halves of one width, no projection in google-research/vila).
        norm_cfg: A norm of each feature before its projection, such as dict(type='BN1d',
            affine=False): features that differ little between inputs, as those of a pooler that
            has barely learned, then start apart (not in the paper). In training a batch norm is
            that of the joined batch of all processes.
        init_temperature: 0.07 in the paper.
        min_temperature: The learned temperature never falls below (CLIP: 0.01).

    The projections start Xavier-uniform: of deviation 1/sqrt(D) where they are square, which is
    open_clip's for its text projection.
    """

    def __init__(
        self,
        loss: dict,
        dims: int | None = None,
        embed_dims: int | None = None,
        norm_cfg: dict | None = None,
        init_temperature: float = 0.07,
        min_temperature: float = 0.01,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if init_temperature <= 0 or min_temperature <= 0:
            raise ValueError(
                f'init_temperature {init_temperature} and min_temperature {min_temperature} must '
                'be positive'
            )
        self.loss_module = MODELS.build(loss)
        self.dims = dims
        self.image_norm: nn.Module = nn.Identity()
        self.text_norm: nn.Module = nn.Identity()
        self.image_projection: nn.Module = nn.Identity()
        self.text_projection: nn.Module = nn.Identity()
        if dims is None and (embed_dims is not None or norm_cfg is not None):
            raise ValueError(
                "ContrastiveHead with embed_dims or norm_cfg needs dims, the features' width"
            )
        if norm_cfg is not None:
            self.image_norm = build_norm_layer(norm_cfg, dims)[1]
            self.text_norm = build_norm_layer(norm_cfg, dims)[1]
        if embed_dims is not None:
            self.image_projection = nn.Linear(dims, embed_dims, bias=False)
            self.text_projection = nn.Linear(dims, embed_dims, bias=False)
            self.apply(init_transformer_weights)
        self.logit_scale = nn.Parameter(torch.tensor(-math.log(init_temperature)))
        self.max_logit_scale = -math.log(min_temperature)

    @property
    def scale(self) -> Tensor:
        """What similarities are multiplied by, 1 / temperature, in at least float32."""
        return at_least_float32(self.logit_scale).exp()

    @torch.no_grad()
    def bound_scale(self) -> None:
        """Bring the parameter back into its bounds, in place: there, it still gets a gradient."""
        self.logit_scale.clamp_(0.0, self.max_logit_scale)

    def embed_image(self, global_tokens: Tensor) -> Tensor:
        """The contrastive pooler's (B,1,D) -> (B,E), L2-normalised."""
        feature = of_joined_batch(self.image_norm, global_tokens[:, 0])
        return F.normalize(at_least_float32(self.image_projection(feature)), dim=-1)

    def embed_text(self, text_features: Tensor) -> Tensor:
        """[CLS] outputs (B,D) -> (B,E), L2-normalised."""
        feature = of_joined_batch(self.text_norm, text_features)
        return F.normalize(at_least_float32(self.text_projection(feature)), dim=-1)

    def loss(
        self,
        image_embeddings: Tensor,
        text_embeddings: Tensor,
        caption_marks: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Embeddings (B,E), marks (B,2) of captions -> 'loss_contrastive'; to log, 'temperature'.

        Captions of equal marks are equal, as `PackedTexts.marks`.
        """
        self.bound_scale()
        scale = self.scale
        loss = self.loss_module(image_embeddings, text_embeddings, scale, caption_marks)
        return dict(loss_contrastive=loss, temperature=1 / scale.detach())

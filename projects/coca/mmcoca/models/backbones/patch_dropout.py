# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Training on a random part of each image."""

import torch
from torch import Tensor, nn


class PatchDropout(nn.Module):
    """Keep a random part of each image's patch tokens in training (arXiv 2212.00794).

    (B,N,W) -> (B,kept,W); what is kept stands in random order, after the extra tokens. In
    evaluation the tokens pass as they are.

    Args:
        probability: Part of the patches that is left out.
        num_extra_tokens: Tokens before the patches, such as a class token, which always stay.

    Raises ValueError for a probability outside [0, 1).
    """

    def __init__(self, probability: float, num_extra_tokens: int) -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise ValueError(f'patch_dropout {probability} is not within [0, 1)')
        self.probability = probability
        self.num_extra_tokens = num_extra_tokens

    def forward(self, x: Tensor) -> Tensor:
        """Drop patches, as described above."""
        if not self.training:
            return x
        batch_size, num_tokens, _ = x.shape
        num_patches = num_tokens - self.num_extra_tokens
        num_kept = max(1, round(num_patches * (1 - self.probability)))
        order = torch.rand(batch_size, num_patches, device=x.device).argsort(dim=1)
        kept = order[:, :num_kept, None] + self.num_extra_tokens
        extra = x[:, :self.num_extra_tokens]
        return torch.cat([extra, x.gather(1, kept.expand(-1, -1, x.shape[-1]))], dim=1)

# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""How the parts of CoCa that are not mmpretrain's are initialised."""

from torch import nn


def init_transformer_weights(module: nn.Module) -> None:
    """Linear: Xavier-uniform weight, zero bias; embedding: normal, deviation 0.02; norm: identity.

    The paper prints no initialisation; Xavier is what mmpretrain's ViT uses for its MLPs, 0.02 the
    usual deviation of token embeddings. Use as `module.apply(init_transformer_weights)`.
    """
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)

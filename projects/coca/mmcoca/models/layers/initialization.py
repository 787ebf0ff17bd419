# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""How the parts of CoCa that are not mmpretrain's are initialised."""

from torch import nn


def init_transformer_weights(module: nn.Module) -> None:
    """Linear: Xavier-uniform weight, zero bias; embedding: normal, deviation 0.02; norm: identity.

    The paper prints no initialisation. Xavier is what mmpretrain's ViT uses for its MLPs and, with
    half the variance, google-research/vila for its decoder; 0.02 is the usual deviation of token
    embeddings. Use as `module.apply(init_transformer_weights)`.
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


def init_open_clip_layers(layers: nn.ModuleList) -> None:
    """Normal weights with the deviations of open_clip's TextTransformer, for n layers D wide.

    Attention 1/sqrt(D), the first matrix of an MLP 1/sqrt(2D), and what is added to the residual
    stream, the last matrix of both, 1/sqrt(2nD). Biases are 0 (there those of an MLP are torch's
    default).
    """
    for layer in layers:
        dims = layer.mlp_norm.normalized_shape[0]
        for name, module in layer.named_modules():
            if isinstance(module, nn.Linear):
                fan = dims
                if name.endswith('mlp.0'):
                    fan = 2 * dims
                elif name.endswith(('proj', 'mlp.2')):
                    fan = 2 * len(layers) * dims
                nn.init.normal_(module.weight, std=fan**-0.5)

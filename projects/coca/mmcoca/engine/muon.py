# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Muon: orthogonalised momentum for the matrices of a network, AdamW for the rest."""

from __future__ import annotations

import timm.optim
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import nn

from mmcoca.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS


@OPTIMIZERS.register_module()
class Muon(timm.optim.Muon):
    """timm's Muon (Jordan et al. 2024; arXiv 2502.16982 for the scale of a step).

    With `adjust_lr_fn='match_rms_adamw'` a step is as large as AdamW's of the same learning rate.
    Parameter groups with `use_fallback=True` get AdamW at `fallback_lr_scale` times the rate.
    """


def matrix_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The weights that map activations to activations: of linear and convolutional layers.

    Not embeddings, learned queries, nor a captioning head's output matrix: rows that belong to a
    token each have nothing to gain from being orthogonal to each other.
    """
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return [module.weight for module in model.modules() if isinstance(module, kinds)]


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MuonConstructor(DefaultOptimWrapperConstructor):
    """Builds an optimizer wrapper whose Muon takes the matrices, and AdamW what is left.

    Raises ValueError with a `paramwise_cfg`: there are these two groups and no others.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """The wrapper for the trained parameters of a model."""
        if self.paramwise_cfg:
            raise ValueError('MuonConstructor has its own two groups and takes no paramwise_cfg')
        if hasattr(model, 'module'):
            model = model.module
        matrices = {id(parameter) for parameter in matrix_parameters(model)}
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        groups = [
            dict(params=[p for p in trained if id(p) in matrices], use_fallback=False),
            dict(params=[p for p in trained if id(p) not in matrices], use_fallback=True),
        ]
        optimizer = OPTIMIZERS.build(dict(self.optimizer_cfg, params=groups))
        return OPTIM_WRAPPERS.build(
            dict(self.optim_wrapper_cfg), default_args=dict(optimizer=optimizer)
        )

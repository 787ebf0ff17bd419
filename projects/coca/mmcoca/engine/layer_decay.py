# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Layer-wise decay of the learning rate in any model with an encoder of ours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mmpretrain.engine.optimizers import LearningRateDecayOptimWrapperConstructor
from torch import nn

from mmcoca.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayConstructor(LearningRateDecayOptimWrapperConstructor):
    """mmpretrain's constructor, by the layers of the encoder inside a detector or any other model.

    What is not the encoder's has the whole learning rate. Takes
    `paramwise_cfg=dict(layer_decay_rate=0.7)` (ViTDet, arXiv 2203.16527, appendix A.2: 0.7 for a
    base, 0.8 for a large encoder) and what mmpretrain's takes beside it. A parameter with several
    names is that of the first.

    Raises ValueError for a model without a part that has `get_layer_depth`.
    """

    def add_params(
        self,
        params: list[dict],
        module: nn.Module,
        prefix: str = '',
        get_layer_depth: Callable | None = None,
        **kwargs,
    ) -> None:
        """As mmpretrain's; called with a model, then by itself with each of its parts."""
        depth = get_layer_depth or depth_in_encoder(module)
        super().add_params(params, module, prefix, depth, **kwargs)
        if not prefix:  # all parts are through
            firsts = {id(group['params'][0]): group for group in reversed(params)}
            params[:] = [group for group in params if firsts[id(group['params'][0])] is group]


def depth_in_encoder(model: nn.Module) -> Callable[[str], tuple[int, int]]:
    """The first part's `get_layer_depth`, for names of the model's parameters."""
    for name, part in model.named_modules():
        if hasattr(part, 'get_layer_depth'):
            return partial(part.get_layer_depth, prefix=f'{name}.' if name else '')
    raise ValueError(f'{type(model).__name__} has no encoder with get_layer_depth')

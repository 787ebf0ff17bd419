# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Optimizer steps that the host does not wait for."""

from __future__ import annotations

import mmengine.optim
from torch import Tensor
from torch.distributed.tensor import DTensor

from mmcoca.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class OptimWrapper(mmengine.optim.OptimWrapper):
    """MMEngine's OptimWrapper that leaves the norm of clipped gradients on their device.

    MMEngine's own fetches it in each step. `grad_norm`, that of the last step, is logged by
    `RuntimeInfoHook`.
    """

    grad_norm: Tensor | None = None

    def _clip_grad(self) -> None:
        parameters = [p for group in self.param_groups for p in group['params']]
        parameters = [p for p in parameters if p.grad is not None]
        norm = self.clip_func(parameters, **self.clip_grad_kwargs)
        # Of a model in parts, a tensor in parts.
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        self.grad_norm = None if norm is None else norm.detach()

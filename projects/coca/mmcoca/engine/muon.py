# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Muon: orthogonalised momentum for the matrices of a network, AdamW for the rest."""

from __future__ import annotations

from collections.abc import Callable

import timm.optim
import torch
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from timm.optim.muon import get_lr_scale, zeropower_via_newtonschulz
from torch import Tensor, nn

from mmcoca.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS

from .bfloat16_optim_wrapper import computes_in_bfloat16

# One triple an iteration, from leloykun.github.io/ponder/muon-opt-coeffs; timm's 'quintic'.
NEWTON_SCHULZ_COEFFICIENTS = [
    (4.0848, -6.8946, 2.9270),
    (3.9505, -6.3029, 2.6377),
    (3.7418, -5.5913, 2.3037),
    (2.8769, -3.1427, 1.2046),
    (2.8366, -3.0525, 1.2012),
]


def orthogonalize(matrix: Tensor) -> Tensor:
    """Bring the singular values of a matrix (M,N) near one by Newton-Schulz iterations.

    In bfloat16, but in float32 on a device that would have to emulate bfloat16, where one product
    would cost hundreds of times as much.
    """
    dtype = torch.bfloat16 if computes_in_bfloat16(matrix.device.type) else torch.float32
    steps = len(NEWTON_SCHULZ_COEFFICIENTS)
    return zeropower_via_newtonschulz(matrix, steps, NEWTON_SCHULZ_COEFFICIENTS, dtype=dtype)


@OPTIMIZERS.register_module()
class Muon(timm.optim.Muon):
    """Muon (Jordan et al. 2024) with Nesterov momentum for matrices, AdamW for the rest.

    A step on a matrix (M,N) is 0.2 * sqrt(max(M, N)) times the learning rate, as large as AdamW's
    would be (arXiv 2502.16982); a convolution counts as its flattened matrix. Parameter groups with
    `use_fallback=True`, and vectors, get timm's AdamW with Nesterov momentum.

    Args:
        lr: Of the matrices. fallback_lr_scale: AdamW's learning rate as a multiple of it.
        weight_decay: Decoupled; a step multiplies weights by 1 - lr * weight_decay.
        momentum: Of the matrices. betas: AdamW's.
    """

    def __init__(
        self,
        params,
        lr: float = 5e-3,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.95),
        fallback_lr_scale: float = 1.0,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            betas=betas,
            fallback_lr_scale=fallback_lr_scale,
            nesterov=True,
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step. The matrices' gradients are gone after it, so that timm passes them over."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if not group.get('use_fallback', False):
                for parameter in group['params']:
                    if parameter.ndim >= 2 and parameter.grad is not None:
                        self._step_matrix(parameter, group)
                        parameter.grad = None
        super().step()
        return loss

    def _step_matrix(self, parameter: nn.Parameter, group: dict) -> None:
        state = self.state[parameter]
        if not state:
            state['momentum_buffer'] = torch.zeros_like(parameter)
        momentum, lr = group['momentum'], group['lr']
        average = state['momentum_buffer'].lerp_(parameter.grad, 1 - momentum)
        direction = orthogonalize(parameter.grad.lerp(average, momentum).flatten(1))
        scale = get_lr_scale(direction.shape, group['adjust_lr_fn'])
        parameter.mul_(1 - lr * group['weight_decay'])
        parameter.add_(direction.view_as(parameter), alpha=-lr * scale)


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

    Scalars, such as the temperature, have no weight decay: it would draw a temperature towards 1,
    the further the longer the training.

    Raises ValueError with a `paramwise_cfg`: there are these groups and no others.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """The wrapper for the trained parameters of a model."""
        if self.paramwise_cfg:
            raise ValueError('MuonConstructor has its own groups and takes no paramwise_cfg')
        matrices = {id(parameter) for parameter in matrix_parameters(model)}
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        rest = [p for p in trained if id(p) not in matrices]
        groups = [
            dict(params=[p for p in trained if id(p) in matrices], use_fallback=False),
            dict(params=[p for p in rest if p.ndim], use_fallback=True),
            dict(params=[p for p in rest if not p.ndim], use_fallback=True, weight_decay=0.0),
        ]
        groups = [group for group in groups if group['params']]
        optimizer = OPTIMIZERS.build(dict(self.optimizer_cfg, params=groups))
        return OPTIM_WRAPPERS.build(
            dict(self.optim_wrapper_cfg), default_args=dict(optimizer=optimizer)
        )

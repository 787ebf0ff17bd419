# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Training in bfloat16, on the CPU too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.logging import print_log
from torch import nn

from mmcoca.registry import OPTIM_WRAPPERS

from .optim_wrapper import OptimWrapper


def computes_in_bfloat16(device_type: str) -> bool:
    """Whether the device has instructions for bfloat16, so that it gains by them."""
    if device_type == 'cpu':
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return device_type == 'cuda' and torch.cuda.is_bf16_supported(including_emulation=False)


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """OptimWrapper whose forward runs under autocast to bfloat16, without loss scaling.

    MMEngine's AmpOptimWrapper refuses the CPU. Where the device has no instructions for bfloat16,
    this one computes in float32 and says so once: emulating them is slower than float32.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.device_type = self.param_groups[0]['params'][0].device.type
        self.enabled = computes_in_bfloat16(self.device_type)
        if not self.enabled:
            print_log(f'this {self.device_type} has no bfloat16: training in float32', 'current')

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The context in which `train_step` runs the model."""
        with (
            super().optim_context(model),
            torch.autocast(self.device_type, torch.bfloat16, enabled=self.enabled),
        ):
            yield

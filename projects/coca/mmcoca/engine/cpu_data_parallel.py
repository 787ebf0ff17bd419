# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""DistributedDataParallel without GPUs."""

from __future__ import annotations

from mmengine.model import MMDistributedDataParallel
from torch import nn

from mmcoca.registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class CPUDataParallel(MMDistributedDataParallel):
    """MMEngine's wrapper on CPUs.

    Args:
        module: The model.
        device_ids: What MMEngine's runner hands over, which torch refuses for a model on a CPU.
        **kwargs: As in DistributedDataParallel.
    """

    def __init__(self, module: nn.Module, device_ids: object = None, **kwargs) -> None:
        super().__init__(module, **kwargs)

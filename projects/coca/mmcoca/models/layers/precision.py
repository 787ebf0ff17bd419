# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The precision that norms and losses need."""

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """16-bit floats as float32; float32 and float64 as they are."""
    return x.to(torch.promote_types(x.dtype, torch.float32))

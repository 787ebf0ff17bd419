# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Whether weights are still those from which something was computed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def fingerprint(module: nn.Module, without: Sequence[str] = ()) -> tuple:
    """A value that is another one after any change of a module's parameters and buffers.

    Of torch's counts of changes in place and, since what is done through `.data` is not among
    them, of the contents: it costs one reading of the weights.

    Args:
        without: Names of submodules that do not count.
    """
    beginnings = tuple(f'{name}.' for name in without)
    tensors = {
        name: tensor
        for named in (module.named_parameters(), module.named_buffers())
        for name, tensor in named
        if not name.startswith(beginnings)
    }
    kinds = [
        (name, tensor.dtype, tensor.device, None if tensor.is_inference() else tensor._version)
        for name, tensor in tensors.items()
    ]
    sums: list[int] = []
    if tensors:
        device = next(iter(tensors.values())).device
        sums = torch.stack([bit_sum(tensor).to(device) for tensor in tensors.values()]).tolist()
    return tuple(zip(kinds, sums))


def bit_sum(tensor: Tensor) -> Tensor:
    """The sum of a tensor's memory, read as integers of 64 bits."""
    flat = tensor.detach().flatten()
    if flat.storage_offset():
        flat = flat.clone()  # an integer cannot begin anywhere
    memory = flat.view(torch.uint8)
    end = len(memory) // 8 * 8
    return memory[:end].view(torch.int64).sum() + memory[end:].sum()

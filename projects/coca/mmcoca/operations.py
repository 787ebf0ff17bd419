# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Floating point operations of a computation's products, matrices, convolutions and attention."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.flop_counter import (
    FlopCounterMode,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

# The CPU's fused attention, which torch's counter does not know, by the shapes it is called with.
CPU_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu:
    lambda query, key, value, *_, **__: sdpa_flop_count(query, key, value),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward:
    lambda grad, query, key, value, *_, **__: sdpa_backward_flop_count(grad, query, key, value),
}


def operations_of(work: Callable, *inputs) -> int:
    """Those of the products in some work; a product and a sum are two."""
    with FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION) as counter:
        work(*inputs)
    return counter.get_total_flops()

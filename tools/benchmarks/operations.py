# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""A computation's matrix products: their floating point operations, and their part of the time."""

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile
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

PRODUCTS = (
    'aten::mm',
    'aten::addmm',
    'aten::bmm',
    'aten::baddbmm',
    'aten::_scaled_dot_product_flash_attention_for_cpu',
    'aten::_scaled_dot_product_flash_attention_for_cpu_backward',
    'aten::mkldnn_convolution',
    'aten::convolution_backward',
)


def operations_of(work: Callable, *inputs) -> int:
    """Those of the products in some work; a product and a sum are two."""
    with FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION) as counter:
        work(*inputs)
    return counter.get_total_flops()


def share_of_products(work: Callable, *inputs) -> float:
    """Part of the time of some work on a CPU that its products take, attention and convolution
    included.
    """
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        work(*inputs)
    times = {event.key: event.self_cpu_time_total for event in profiled.key_averages()}
    return sum(times.get(name, 0) for name in PRODUCTS) / sum(times.values())

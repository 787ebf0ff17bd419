# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The part of the time that a computation's matrix products take."""

from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

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


def share_of_products(work: Callable, *inputs) -> float:
    """Part of the time of some work on a CPU that its products take, attention and convolution
    included.
    """
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        work(*inputs)
    times = {event.key: event.self_cpu_time_total for event in profiled.key_averages()}
    return sum(times.get(name, 0) for name in PRODUCTS) / sum(times.values())

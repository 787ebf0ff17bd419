# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The rates of GPUs, from the makers' data sheets."""

from __future__ import annotations

# Operations a second of dense 16-bit products with sums in 32 bits; the form with NVLink (SXM).
PEAKS = {
    'H200': 989e12,
    'H100': 989e12,
    'A100': 312e12,
    'L40S': 362e12,
    'V100': 125e12,
    'RTX 4090': 165e12,
}


def peak_of(name: str) -> float | None:
    """Operations a second of a GPU by its name, None for an unknown one.

    Example:
        >>> peak_of('NVIDIA A100-SXM4-80GB')
        312000000000000.0
    """
    return next((peak for known, peak in PEAKS.items() if known in name), None)

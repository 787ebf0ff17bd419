# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The precision that norms and losses need."""

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """16-bit floats as float32; float32 and float64 as they are."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def similarities(queries: Tensor, keys: Tensor) -> Tensor:
    """Embeddings (queries,E) and (keys,E) -> their products (queries,keys).

    In at least float32 also under autocast: times a scale of up to 100, 16 bits would lose the
    differences that matter.
    """
    with torch.autocast(queries.device.type, enabled=False):
        return at_least_float32(queries) @ at_least_float32(keys).T

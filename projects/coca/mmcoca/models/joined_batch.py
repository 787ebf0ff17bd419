# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The batches of all processes as one, under torch.distributed.

DistributedDataParallel averages the gradients of P processes. So a loss of the joined batch is
exact if each process computes its own part of the sum, times P, and if what it reads of the others
hands its gradient back to them (`gather_rows`). All processes have batches of one size B.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def num_processes() -> int:
    """P: 1 where no process group is initialised."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def first_own_row(num_rows: int) -> int:
    """Where this process's rows begin in the joined batch, each process having so many."""
    return num_rows * dist.get_rank() if num_processes() > 1 else 0


class _GatherRows(torch.autograd.Function):
    """Rows of all processes; backward: the sum of what they all have for this process's rows."""

    @staticmethod
    def forward(ctx, rows: Tensor) -> Tensor:
        ctx.num_rows = len(rows)
        gathered = [torch.empty_like(rows) for _ in range(num_processes())]
        dist.all_gather(gathered, rows.contiguous())
        return torch.cat(gathered)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        start = first_own_row(ctx.num_rows)
        return gradient[start:start + ctx.num_rows]


def gather_rows(rows: Tensor) -> Tensor:
    """Rows (B,...) of this process -> (P*B,...) of all, in the order of their ranks."""
    return _GatherRows.apply(rows) if num_processes() > 1 else rows


def sum_of_processes(value: Tensor) -> Tensor:
    """The sum of a value, which needs no gradient, over all processes."""
    if num_processes() > 1:
        value = value.detach().clone()
        dist.all_reduce(value)
    return value


def with_joined_value(loss: Tensor) -> Tensor:
    """A process's loss with the value that the mean over all processes has, for the log."""
    if num_processes() == 1:
        return loss
    mean = sum_of_processes(loss) / num_processes()
    return loss + (mean - loss).detach()

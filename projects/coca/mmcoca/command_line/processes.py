# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The processes of a launcher, without GPUs too."""

from __future__ import annotations

import atexit
import gc
import os

import torch
import torch.distributed as dist
from mmengine.config import Config

from mmcoca.errors import UserError

# Rank, number of processes and rank within the machine, as launchers tell them.
VARIABLES = dict(
    slurm=('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    mpi=('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
    pytorch=('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
)


def join_processes(cfg: Config) -> None:
    """Have the processes of a launcher meet by gloo where there is no GPU.

    MMEngine's own start asks for a GPU whatever the backend is. Where there is one, it is left to
    do so.

    Raises UserError where the launcher has not set what they find each other by.
    """
    if cfg.launcher == 'none' or torch.cuda.is_available():
        return
    names = VARIABLES[cfg.launcher]
    missing = [name for name in (*names, 'MASTER_ADDR') if name not in os.environ]
    if missing:
        raise UserError(
            f'--launcher {cfg.launcher}: {", ".join(missing)} not set; start the processes by '
            f"{'torchrun' if cfg.launcher == 'pytorch' else cfg.launcher} and, but for torchrun, "
            'with MASTER_ADDR'
        )
    for name, source in zip(VARIABLES['pytorch'], names):
        os.environ[name] = os.environ[source]
    os.environ.setdefault('MASTER_PORT', '29500')
    if not dist.is_initialized():
        dist.init_process_group('gloo')
        atexit.register(leave_processes)
    if cfg.get('model_wrapper_cfg') is None:
        cfg.model_wrapper_cfg = dict(type='mmcoca.CPUDataParallel')


def leave_processes() -> None:
    """End the threads of the process group, while Python can still run.

    One that then lets go of a tensor would abort the process ("terminate called without an active
    exception"). They end with the last that holds the group, such as a wrapped model.
    """
    if dist.is_initialized():
        dist.destroy_process_group()
    gc.collect()

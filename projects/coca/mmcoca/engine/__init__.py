# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
from .adafactor import Adafactor
from .bfloat16_optim_wrapper import BFloat16OptimWrapper
from .checkpoint_hook import CheckpointHook
from .class_names_hook import ClassNamesHook
from .compile_hook import CompileHook
from .config_schedule_hook import ConfigScheduleHook
from .cpu_data_parallel import CPUDataParallel
from .ema_hook import EMAHook
from .finite_loss_hook import FiniteLossHook
from .fully_sharded import FullyShardedModel
from .layer_decay import LayerDecayConstructor
from .muon import Muon, MuonConstructor
from .optim_wrapper import OptimWrapper
from .resume_hook import ResumeHook
from .runtime_info_hook import RuntimeInfoHook
from .throughput_hook import ThroughputHook
from .unreadable_images_hook import UnreadableImagesHook
from .utilization_hook import UtilizationHook

__all__ = [
    'Adafactor',
    'BFloat16OptimWrapper',
    'CPUDataParallel',
    'CheckpointHook',
    'ClassNamesHook',
    'CompileHook',
    'ConfigScheduleHook',
    'EMAHook',
    'FiniteLossHook',
    'FullyShardedModel',
    'LayerDecayConstructor',
    'Muon',
    'MuonConstructor',
    'OptimWrapper',
    'ResumeHook',
    'RuntimeInfoHook',
    'ThroughputHook',
    'UnreadableImagesHook',
    'UtilizationHook',
]
